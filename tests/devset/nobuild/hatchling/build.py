"""The one hook that pip calls before it keeps a downloaded source distribution."""

import shutil
from email.parser import BytesHeaderParser
from pathlib import Path


def prepare_metadata_for_build_wheel(folder: str, config_settings: object = None) -> str:
    """Hand pip the metadata that lies in the distribution; return the folder's name as PEP 517 wants it."""
    told = BytesHeaderParser().parsebytes(Path("PKG-INFO").read_bytes())
    made = Path(folder) / f"{told['Name'].replace('-', '_')}-{told['Version']}.dist-info"
    made.mkdir()
    shutil.copy("PKG-INFO", made / "METADATA")
    return made.name
