"""Where model files lie on this machine, and where they are fetched from."""

from __future__ import annotations

import os

from ..data.downloads import get_data_home
from ..logger import logger

__all__ = ["get_data_home", "get_model_home", "get_model_url_base", "get_model_url_base_from_env", "logger"]

URL_BASE = "https://nnabla.org/pretrained-models/nnp_models/"
URL_BASE_VARIABLE = "NNABLA_MODELS_URL_BASE"


def get_model_home() -> str:
    """The folder of model files: ``nnp_models`` in `get_data_home`; it is made if it is not there."""
    home = os.path.join(get_data_home(), "nnp_models")
    os.makedirs(home, exist_ok=True)
    return home


def get_model_url_base_from_env() -> str | None:
    """What the environment variable ``NNABLA_MODELS_URL_BASE`` says; ``None`` if it is not set."""
    return os.environ.get(URL_BASE_VARIABLE)


def get_model_url_base() -> str:
    """What the addresses of model files begin with.

    Default ``https://nnabla.org/pretrained-models/nnp_models/``; the environment variable ``NNABLA_MODELS_URL_BASE``
    takes its place.
    """
    base = get_model_url_base_from_env() or URL_BASE
    return base if base.endswith("/") else f"{base}/"
