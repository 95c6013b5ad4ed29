"""One module a family; each has `read(data, filename, media_type) -> Document`."""
