"""Packs each function's bootstrap into the archive that `template.yaml` names: `bootstrap.zip` beside it.

    python pack.py target/lambda

The archive depends on the bootstrap alone, so `sam deploy` uploads nothing that is unchanged. It is
packed as well as the format can be (libdeflate's highest level), which the SAM CLI does not do.
"""

import struct
import sys
import zipfile
import zlib
from pathlib import Path

import deflate

# The first day that the format knows: 1 January 1980, midnight.
TIME, DAY = 0, 0x21
# Made on Unix; a file that everybody may read and run.
MADE_ON, MODE = 3 << 8 | 20, 0o100755 << 16
DEFLATED, UTF8 = 8, 0x800


def archive(name: str, content: bytes) -> bytes:
    """A ZIP archive of one file (PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16)."""
    packed, file = deflate.deflate_compress(content, 12), name.encode()
    about = struct.pack(
        "<5H3I2H", 20, UTF8, DEFLATED, TIME, DAY, zlib.crc32(content), len(packed), len(content), len(file), 0
    )
    local = b"PK\3\4" + about + file + bytes(packed)
    central = b"PK\1\2" + struct.pack("<H", MADE_ON) + about + struct.pack("<3H2I", 0, 0, 0, MODE, 0) + file
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def main(folder: Path) -> None:
    bootstraps = sorted(folder.glob("*/bootstrap"))
    if not bootstraps:
        sys.exit(f"{folder} has no bootstraps: run `make functions`")
    for bootstrap in bootstraps:
        content, packed = bootstrap.read_bytes(), bootstrap.with_name("bootstrap.zip")
        new = packed.with_name("bootstrap.zip.new")
        new.write_bytes(archive("bootstrap", content))
        with zipfile.ZipFile(new) as written:
            if written.read("bootstrap") != content:
                sys.exit(f"{new} does not hold what it was made of")
        new.replace(packed)
        print(f"{packed}: {packed.stat().st_size / 1e6:.2f} MB of {len(content) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
