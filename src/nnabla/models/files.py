"""Model files: their addresses, and how they come to this machine."""

from __future__ import annotations

import os
import urllib.parse
from typing import NamedTuple

from ..data.downloads import download
from ..errors import ArgumentError, FormatError
from .utils import URL_BASE_VARIABLE, get_model_home, get_model_url_base


class Address(NamedTuple):
    """Where a model file is fetched from.

    Attributes:
        url: whole, or what follows `get_model_url_base`.
        sha256: its digest in hexadecimal; ``None`` if it is not known.
        size: bytes; ``None`` if it is not known.
        successors: other addresses, whole or not, which are asked in turn where that one does not answer.
    """

    url: str
    sha256: str | None = None
    size: int | None = None
    successors: tuple[str, ...] = ()


_IMAGENET = (
    "AlexNet DenseNet-161 GoogLeNet Inception-v3 MobileNet MobileNet-v2 NIN Resnet-18 Resnet-34 Resnet-50 Resnet-101 "
    "Resnet-152 ResNeXt-50 ResNeXt-101 SENet-154 ShuffleNet ShuffleNet-2.0x SqueezeNet-1.0 SqueezeNet-1.1 VGG-11 "
    "VGG-13 VGG-16 Xception"
)
_OTHERS = (
    "object_detection/yolov2-voc.nnp object_detection/yolov2-coco.nnp semantic_segmentation/DeepLabV3-voc-os-8.nnp "
    "semantic_segmentation/DeepLabV3-voc-os-16.nnp semantic_segmentation/DeepLabV3-voc-coco-os-8.nnp "
    "semantic_segmentation/DeepLabV3-voc-coco-os-16.nnp"
)
ADDRESSES: dict[str, Address] = {
    **{f"imagenet/{name}.nnp": Address(f"imagenet/{name}/{name}.nnp") for name in _IMAGENET.split()},
    # NNabla keeps the file under another name than its server.
    "imagenet/ShuffleNet-.05x.nnp": Address("imagenet/ShuffleNet-0.5x/ShuffleNet-0.5x.nnp"),
    **{name: Address(name) for name in _OTHERS.split()},
}
"""Addresses by the name of the file below `get_model_home`. Programs may set others here, before they make a model.

These are the addresses of NNabla 1.39, below one server; no successor of it was known in 2026, nor sizes and digests of
the files. Another server for all of them is what the environment variable ``NNABLA_MODELS_URL_BASE`` names."""


def model_file(name: str, url: str | None = None) -> str:
    """The path of a model file, which is fetched if it is not there.

    An interrupted download is continued by the next one, see `nnabla.utils.download.download`.

    Args:
        name: below `get_model_home`, with ``/`` between folders.
        url: where it is, below `get_model_url_base`, for a file that `ADDRESSES` does not have.

    Raises:
        ArgumentError: neither `ADDRESSES` nor `url` says where it is.
        FileNotFoundError: it cannot be fetched; the message says where to put it by hand.
        FormatError: it has another size or digest than its address says.
    """
    address = ADDRESSES.get(name) or (None if url is None else Address(url))
    if address is None:
        raise ArgumentError(f"the model file {name} has no address: set nnabla.models.files.ADDRESSES[{name!r}]")
    path = os.path.join(get_model_home(), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    failed = []
    for each in (address.url, *address.successors):
        whole = urllib.parse.urljoin(get_model_url_base(), each)
        try:
            download(whole, path, open_file=False, sha256=address.sha256)
            break
        except OSError as error:
            failed.append(f"{whole} cannot be fetched ({error})")
    else:
        raise FileNotFoundError(
            f"the model file {name} is not on this machine, and {', and '.join(failed)}. Put it at {path} "
            f"by hand, or name another server: set {URL_BASE_VARIABLE}, or nnabla.models.files.ADDRESSES[{name!r}]"
        )
    found = os.path.getsize(path)
    if address.size is not None and found != address.size:
        raise FormatError(f"the model file {path} has {found} bytes, not {address.size}; remove it to fetch it again")
    return path
