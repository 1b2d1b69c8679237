from importlib.metadata import version

import adavit


def test_the_package_says_its_version() -> None:
    assert adavit.__version__ == version("adavit")
