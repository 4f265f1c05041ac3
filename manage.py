#!/usr/bin/env python
"""Runs Django's commands for this node."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sys.path.insert(0, str(Path(__file__).parent / "client"))  # the SDK is how nodes meet
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
