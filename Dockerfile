# NNabla in Python, with its converters and command line. TORCH_INDEX is the address of an index of PyTorch's builds:
# PyTorch's page "Get started" has those for a CPU and for each CUDA. Without it, pip's usual build comes.
#   docker build -t nnabla --build-arg TORCH_INDEX=ADDRESS .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir build \
    && python -m build --wheel --outdir /wheels .

FROM python:${PYTHON}-slim
# gcc builds the C sources that `nnabla_cli convert -O CSRC` writes.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
ARG TORCH_INDEX=
COPY constraints.txt /tmp/constraints.txt
RUN python -m pip install --no-cache-dir ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} $(grep '^torch==' /tmp/constraints.txt)
COPY --from=build /wheels /wheels
RUN wheel=$(ls /wheels/nnabla-*.whl) \
    && grep -v '^torch==' /tmp/constraints.txt > /tmp/others.txt \
    && python -m pip install --no-cache-dir -c /tmp/others.txt "${wheel}[onnx,tflite,graphviz,tensorboard]" \
    && rm -r /wheels /tmp/constraints.txt /tmp/others.txt
RUN useradd --create-home nnabla
USER nnabla
WORKDIR /home/nnabla
ENTRYPOINT ["nnabla_cli"]
CMD ["--help"]
