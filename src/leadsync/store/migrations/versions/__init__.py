"""One file per revision, named `<revision>_<words>.py`."""
