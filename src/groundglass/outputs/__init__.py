"""What is written for a scan: masks, findings and report, in a folder that is whole or absent."""
