"""The images: made once and kept, or taken; and what is derived from each by others than layerpress."""
import dataclasses
import json
import math
import os
import re
import stat
import subprocess
import tarfile

from .flat_tar import write_flat_tar
from .listing import cached, listing, without_lost_and_found

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NUMBERED = {
    "1": ("stack image", ["stack-image", "--medium"]),
    "2": ("large stack image", ["stack-image", "--large"]),
    "3": ("200,000 small files", ["generate-tree", "many", "200000"]),
    "4": ("100,000 files in one directory", ["generate-tree", "flat", "100000"]),
}
# mke2fs links a name in time that grows with the directory, minutes here: once is enough.
LEFT_OUT = {"4": (re.compile("umoci|crane"), "mke2fs -d takes very long here; it is timed from the directory")}
FORMS = ("docker.tar", "oci-gzip", "oci-zstd")


@dataclasses.dataclass
class Image:
    """archive, layouts, rootfs and flat_tar are the same content; reference is what it must become."""
    name: str
    title: str
    variables: dict
    reference: dict
    content_mib: int
    inputs: dict


def script(*words, **options):
    subprocess.run([os.path.join(SCRIPTS, words[0]), *words[1:]], check=True, **options)


def make(number, directory):
    """Image 1 to 4 in its three forms, unless it is there."""
    if all(os.path.exists(os.path.join(directory, form)) for form in FORMS):
        return
    words = NUMBERED[number][1]
    print(f"making image {number} in {directory}", flush=True)
    if words[0] == "stack-image":
        script(*words, directory, stdout=subprocess.DEVNULL)
        return
    os.makedirs(directory, exist_ok=True)
    layer = os.path.join(directory, "layer.tar")
    with open(layer, "wb") as output:
        script(*words, stdout=output)
    script("oci-layout", os.path.join(directory, "oci-plain"), "stack", layer)
    os.unlink(layer)
    script("stack/forms", directory)


def tag_and_layers(layout):
    """The layout's one tag, and its layers' files from the base up."""
    def blob(digest):
        return os.path.join(layout, "blobs", *digest.split(":"))
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        manifest = json.load(file)["manifests"][0]
    with open(blob(manifest["digest"]), encoding="utf-8") as file:
        layers = json.load(file)["layers"]
    return manifest["annotations"]["org.opencontainers.image.ref.name"], [blob(layer["digest"]) for layer in layers]


def flatten(source, derived):
    """The root filesystem as umoci makes it, and as a tar."""
    rootfs, flat_tar = os.path.join(derived, "rootfs"), os.path.join(derived, "rootfs.tar")
    os.makedirs(derived, exist_ok=True)
    if not os.path.exists(rootfs):
        print(f"flattening {source}", flush=True)
        script("flatten-with-umoci", os.path.join(source, "docker.tar"), rootfs)
    if not os.path.exists(flat_tar):
        write_flat_tar(rootfs, flat_tar + ".partial")
        os.rename(flat_tar + ".partial", flat_tar)
    return rootfs, flat_tar


def expected(rootfs, archive):
    """The listing of the independent flattening; the times of directories that no layer describes are free."""
    described = set()
    with tarfile.open(archive) as outer:
        for layer in json.load(outer.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer), mode="r|") as inner:
                for entry in inner:
                    described.add(os.fsencode(os.path.normpath("/" + entry.name)))
                    inner.members.clear()
    entries = without_lost_and_found(listing(rootfs))
    for name, entry in entries.items():
        if entry["type"] == stat.S_IFDIR and os.path.normpath(b"/" + name) not in described:
            entry["mtime"] = entry["mtime fraction"] = None
    return entries


def take(name, directory):
    """An image by its number (made under directory unless it is there), or by the path of its three forms."""
    source = os.path.join(directory, name) if name in NUMBERED else name
    if name in NUMBERED:
        make(name, source)
    name = os.path.basename(os.path.normpath(name))
    title = NUMBERED[name][0] if name in NUMBERED else "given"
    rootfs, flat_tar = flatten(source, os.path.join(directory, name + "-flat"))
    reference = cached(rootfs + ".listing", lambda: expected(rootfs, os.path.join(source, "docker.tar")))
    layouts = {form: os.path.join(source, f"oci-{form}") for form in ("gzip", "zstd")}
    tags = {form: tag_and_layers(layout) for form, layout in layouts.items()}
    mib = int(subprocess.run(["du", "-sm", rootfs], check=True, capture_output=True, text=True).stdout.split()[0])
    inodes = len(reference) + 2048
    # 107 % is what the stack image's script gives; roomy is enough for any tool: inodes and a journal too.
    size_mib = math.ceil(mib * 1.07)
    variables = {
        "ARCHIVE": os.path.join(source, "docker.tar"), "ROOTFS": rootfs, "FLAT_TAR": flat_tar,
        "SIZE_MIB": str(size_mib), "ROOMY_MIB": str(size_mib + 64 + math.ceil(inodes * 300 / 2**20)),
        "INODES": str(inodes), "INODES_OPTION": "",
        # GZIP and ZSTD would be read as options.
        **{f"{form.upper()}_IMAGE": f"{layouts[form]}:{tag}" for form, (tag, _) in tags.items()},
        **{f"{form.upper()}_LAYERS": " ".join(layers) for form, (_, layers) in tags.items()},
    }
    inputs = {"archive": [variables["ARCHIVE"]], "gzip": [layouts["gzip"]], "zstd": [layouts["zstd"]],
              "flat tar": [flat_tar], "directory": [rootfs]}
    return Image(name, title, variables, reference, mib, inputs)
