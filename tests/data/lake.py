"""Writes the files of an archive anew as somebody else might, with all that vouches for them, so that only a comparison finds it.
Nobody else may be writing there meanwhile."""

import hashlib
import json
import os

import zstandard


def manifest_of(folder):
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        return json.load(file)


def read(folder, entry):
    """The lines of a file, changes as maps."""
    with open(os.path.join(folder, entry["path"]), "rb") as file:
        text = zstandard.ZstdDecompressor().decompressobj().decompress(file.read())
    return [json.loads(line) for line in text.splitlines()]


def write(folder, entry, lines):
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    content = zstandard.ZstdCompressor().compress(text.encode())
    entry.update(lines=len(lines), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with open(os.path.join(folder, entry["path"]), "wb") as file:
        file.write(content)


def seal(folder, manifest):
    manifest.pop("sha256", None)
    text = json.dumps(manifest, separators=(",", ":"))[:-1] + ","
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        file.write(f'{text}"sha256":"{hashlib.sha256(text.encode()).hexdigest()}"}}\n')


def rewrite(folder, change):
    """`change` makes of each line a list of lines."""
    manifest = manifest_of(folder)
    for entry in manifest["files"]:
        write(folder, entry, [line for old in read(folder, entry) for line in change(old)])
    seal(folder, manifest)


def append(folder, place, lines):
    """Adds lines behind all others of a place of the archive."""
    manifest = manifest_of(folder)
    last = [entry for entry in manifest["files"] if entry["path"].startswith(f"{place}/")][-1]
    write(folder, last, read(folder, last) + lines)
    seal(folder, manifest)
