"""Which folder is which package: four at the top of the repository, one name in site-packages.

The rest of the metadata is in pyproject.toml. The links in `adavit/` say the same to tools that read the clone without
installing it (mypy, editors); the build does not follow them.
"""

from setuptools import find_namespace_packages, setup

FOLDERS = {
    "adavit": "adavit",
    "adavit.augment": "augment",
    "adavit.cli": "cli",
    "adavit.configs": "configs",
}
LINKS = [name.removeprefix("adavit.") for name in FOLDERS if name != "adavit"]
NOT_PACKAGES = ["*__pycache__", *LINKS, *(f"{link}.*" for link in LINKS)]

setup(
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in (
            name,
            # Folders of data, such as configs/presets, are packages to the build.
            *(f"{name}.{below}" for below in find_namespace_packages(folder, exclude=NOT_PACKAGES)),
        )
    ],
    package_dir=FOLDERS,
    package_data={"": ["py.typed", "*.yaml", "*.css", "*.html", "*.js", "*.j2", "*.safetensors"]},
)
