"""The crash test: processes of one desk are killed while a simulated page is busy."""
