"""Image files, wherever they lie: a folder or an archive -> named members -> decoded pixels."""
