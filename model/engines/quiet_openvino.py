"""OpenVINO, imported so that it stays silent. Import it from here, nowhere else.

`import openvino` reports its use to Google Analytics and keeps a client id in the home folder, wherever the package
openvino-telemetry is found, which pip installs along with it. Without that package it reports nothing; so it is hidden
while OpenVINO is imported. Nothing about a scan was in these reports, but a scan's computer should call nobody.
"""

import sys

TELEMETRY = "openvino_telemetry"

hidden = TELEMETRY not in sys.modules
if hidden:
    sys.modules[TELEMETRY] = None  # so that importing it raises ImportError, which OpenVINO allows for
try:
    import openvino
    from openvino import opset1, opset13
finally:
    if hidden:
        del sys.modules[TELEMETRY]

__all__ = ["openvino", "opset1", "opset13"]
