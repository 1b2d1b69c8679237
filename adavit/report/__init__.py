"""The report: run directories in, one HTML page and the same table as Markdown, CSV and JSON out."""
