"""Prints what a release of the original NNabla knows: its functions, and the fields of the messages of model files.

    python tests/reference/record_releases.py > 1.29.0.json

run by a Python with that release. The files are what `tools/make_release_table.py` makes its table of.
"""

import json

import nnabla
import nnabla.function_bases
from nnabla.utils import nnabla_pb2

messages = nnabla_pb2.DESCRIPTOR.message_types_by_name
print(
    json.dumps(
        {
            "release": nnabla.__version__,
            "functions": sorted(name for name in dir(nnabla.function_bases) if name[0].islower()),
            "messages": {name: [field.name for field in message.fields] for name, message in messages.items()},
        }
    )
)
