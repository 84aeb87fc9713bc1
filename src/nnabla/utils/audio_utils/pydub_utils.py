"""Door to `nnabla.data.audio` and what converts to pydub's segments and back."""

from ...data.audio import auresize, ausave
from ...data.audio.segments import auread, get_audiosegment_from_nparray, get_nparray_from_pydub

__all__ = ["auread", "auresize", "ausave", "get_audiosegment_from_nparray", "get_nparray_from_pydub"]
