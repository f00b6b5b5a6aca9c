"""The words of DICOM that a message may repeat. Whatever else a file holds is not repeated: it may be a name.

Modalities: PS3.3, C.7.3.1.1.1. Body parts: PS3.16, annex L, those that an MR scanner sees.
"""

MODALITIES = {
    "BMD": "bone densitometry",
    "CR": "computed radiography",
    "CT": "computed tomography",
    "DOC": "a document",
    "DX": "digital radiography",
    "ECG": "an electrocardiogram",
    "ES": "endoscopy",
    "FID": "spatial fiducials",
    "GM": "microscopy",
    "IVUS": "intravascular ultrasound",
    "IO": "intra-oral radiography",
    "KO": "a selection of key objects",
    "MG": "mammography",
    "NM": "nuclear medicine",
    "OP": "ophthalmic photography",
    "OPT": "ophthalmic tomography",
    "PR": "a presentation state",
    "PT": "positron emission tomography",
    "PX": "panoramic radiography",
    "REG": "a registration",
    "RF": "radio fluoroscopy",
    "RTDOSE": "a radiotherapy dose",
    "RTIMAGE": "a radiotherapy image",
    "RTPLAN": "a radiotherapy plan",
    "RTRECORD": "a radiotherapy treatment record",
    "RTSTRUCT": "a radiotherapy structure set",
    "SEG": "a segmentation",
    "SM": "slide microscopy",
    "SR": "a structured report",
    "US": "ultrasound",
    "XA": "X-ray angiography",
    "XC": "a photograph",
}
UNTOLD = {"", "OT", "SC"}  # nothing, "other", and secondary capture: it may well be MR
# Scanners also write what their users typed: English, Spanish, Portuguese, French or German, here without accents.
HEAD = (
    "HEAD", "BRAIN", "SKULL", "CRAN", "CEREB", "NEURO", "PITUIT", "SELLA", "ORBIT", "TEMPORAL",
    "CABEZA", "CABECA", "ENCEF", "ENCEPH", "CERVEAU", "TETE", "KOPF", "SCHADEL", "SCHAEDEL", "HIRN",
)  # fmt: skip
HEAD_AT_START = ("IAC",)  # the internal auditory canal; within a word it is CARDIAC or ILIAC
BODY_PARTS = {
    "ABDOMEN": "the abdomen", "ANKLE": "an ankle", "BREAST": "a breast", "CHEST": "the chest",
    "CSPINE": "the cervical spine", "ELBOW": "an elbow", "FOOT": "a foot", "HAND": "a hand", "HEART": "the heart",
    "HIP": "a hip", "KIDNEY": "a kidney", "KNEE": "a knee", "LEG": "a leg", "LIVER": "the liver",
    "LSPINE": "the lumbar spine", "NECK": "the neck", "PELVIS": "the pelvis", "PROSTATE": "the prostate",
    "SHOULDER": "a shoulder", "SPINE": "the spine", "TSPINE": "the thoracic spine", "UTERUS": "the uterus",
    "WHOLEBODY": "the whole body", "WRIST": "a wrist",
}  # fmt: skip
