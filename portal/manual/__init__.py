"""The reference pages, written from the code itself (`manage.py reference_docs`)."""
