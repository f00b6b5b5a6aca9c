"""What app.py needs around HTTP: settings, errors, a request's answers, the server."""
