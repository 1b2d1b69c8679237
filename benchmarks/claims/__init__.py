"""Published claims on few images, and what the cells of `few-images-cpu` and its sister grids say of them."""
