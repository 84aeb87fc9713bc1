"""Door to `nnabla.data.audio` and what converts to pydub's segments and back."""

from ...data.audio import auread, auresize, ausave
from ...data.audio.segments import get_audiosegment_from_nparray, get_nparray_from_pydub

__all__ = ["auread", "auresize", "ausave", "get_audiosegment_from_nparray", "get_nparray_from_pydub"]
