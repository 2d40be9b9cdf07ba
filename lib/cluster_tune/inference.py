"""BERT encoders on a processor by ONNX Runtime: what PyTorch computes in single precision, up to rounding, in less time.

ONNX Runtime is an engine for inference alone: it keeps the weights as its products of matrices want them and joins what lies
between these. The graph is written down here, layer by layer, from the encoder's own weights, and each core has texts of its own.
Used where both packages, `onnx` and `onnxruntime`, are installed. Left out: training, other precisions, encoders that are not
BERT's kind, and processors other than x86-64; of these it was measured on an AMD EPYC without AVX-512.
"""

import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import torch
from torch import nn

PART = 512  # word pieces, padding included, that go through the encoder together on one core
WORTH = 10_000  # word pieces; to set it up takes a tenth of a second, and a second more the first time
OPERATORS = {"": 17, "com.microsoft": 1}  # the second are ONNX Runtime's own: a layer's steps, joined
IR = 10  # the version of the file format, which need not be the newest


def plain_bert(config) -> bool:
    """Whether an encoder computes just what BERT does: no other activation, no other positions, no decoder."""
    absolute = getattr(config, "position_embedding_type", None) in (None, "absolute")
    return config.model_type == "bert" and config.hidden_act == "gelu" and absolute and not getattr(config, "is_decoder", False)


def fits(encoder: nn.Module) -> bool:
    """Whether this module can compute such an encoder, where it lies and with what is installed."""
    weight = next(encoder.parameters())
    here = platform.machine().lower() in ("x86_64", "amd64") and weight.device.type == "cpu" and weight.dtype is torch.float32
    return here and plain_bert(encoder.config) and all(map(find_spec, ("onnx", "onnxruntime")))


def worth(encoder: nn.Module, tokens, bits: str) -> bool:
    """Whether the texts of `tokens` go through this module: in single precision, where they have enough word pieces."""
    return bits == "fp32" and len(tokens.ids) >= WORTH and fits(encoder)


def vectors(encoder: nn.Module, pooling: str, tokens) -> np.ndarray:
    """Float32 (n, size) of the n texts of `tokens`, a `training.Tokens`, in their order: the encoder with the weights that it has
    now, dropout off, and its pooling, 'mean', 'cls' or 'pooler'. On as many cores as PyTorch may use."""
    session, _held = _session(encoder, pooling)  # the second stays for as long as the first reads it
    parts = tokens.parts(np.arange(len(tokens)), PART, step=1)

    def of(rows: np.ndarray) -> np.ndarray:
        ids, mask = (part.numpy() for part in tokens.batch(rows, step=1))
        return session.run(None, {"ids": ids, "mask": mask.astype(np.int32)})[0]

    with ThreadPoolExecutor(torch.get_num_threads()) as cores:
        together = np.concatenate(list(cores.map(of, parts)))
    out = np.empty_like(together)
    out[np.concatenate(parts)] = together
    return out


def _session(encoder: nn.Module, pooling: str) -> tuple:
    """What computes, on one core a call, and the weights, which it reads where they are and does not keep."""
    from onnxruntime import InferenceSession, OrtValue, SessionOptions

    model, held = _model(encoder.config, {name: value.detach().numpy() for name, value in encoder.state_dict().items()}, pooling)
    options = SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.add_external_initializers(list(held), [OrtValue.ortvalue_from_numpy(value) for value in held.values()])
    return InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]), held


def _model(config, weights: dict[str, np.ndarray], pooling: str) -> tuple:
    """The encoder and its pooling as an ONNX model, ids int64 and mask int32 (texts, width) -> vectors (texts, size), and the
    float32 arrays that it names but does not hold: within the model they would be copied four times over."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, numbers, held = [], [], {}

    def number(name: str, value) -> str:
        numbers.append(numpy_helper.from_array(np.array(value), name))
        return name

    def weight(name: str, value: np.ndarray) -> str:
        held[name] = np.asarray(value, order="C")
        return name

    def elsewhere(name: str, shape: tuple[int, ...]) -> TensorProto:
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="held")
        return tensor

    def step(operator: str, *inputs: str, domain: str = "com.microsoft", **how) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"{operator} {len(nodes)}"], domain=domain, **how))
        return nodes[-1].output[0]

    def linear(x: str, name: str) -> str:
        return step("MatMul", x, weight(f"{name}.weight", weights[f"{name}.weight"].T), domain="")

    def bias(name: str) -> str:
        return weight(f"{name}.bias", weights[f"{name}.bias"])

    def norm(name: str) -> list[str]:
        return [weight(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias")]

    def added(x: str, residual: str, dense: str, name: str) -> str:
        """LayerNorm of the residual and a linear layer of `x`."""
        inputs = linear(x, dense), residual, *norm(name), bias(dense)
        return step("SkipLayerNormalization", *inputs, epsilon=config.layer_norm_eps)

    words, places, kinds = (weights[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type"))
    place = weight("places", places + kinds[0])  # all word pieces are of the first kind
    zero, one, two = (number(name, [value]) for value, name in enumerate(("zero", "one", "two")))
    width = step("Slice", step("Shape", "ids", domain=""), one, two, domain="")
    seen = step("Slice", place, zero, width, domain="")
    x = step("Add", step("Gather", weight("words", words), "ids", domain=""), seen, domain="")
    x = step("LayerNormalization", x, *norm("embeddings.LayerNorm"), domain="", epsilon=config.layer_norm_eps)
    for layer in range(config.num_hidden_layers):
        at = f"encoder.layer.{layer}"
        three = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = weight(f"{at}.weight", np.concatenate([weights[f"{name}.weight"] for name in three]).T)
        biases = weight(f"{at}.bias", np.concatenate([weights[f"{name}.bias"] for name in three]))
        attended = step("Attention", x, joined, biases, "mask", num_heads=config.num_attention_heads)
        x = added(attended, x, f"{at}.attention.output.dense", f"{at}.attention.output.LayerNorm")
        inner = step("BiasGelu", linear(x, f"{at}.intermediate.dense"), bias(f"{at}.intermediate.dense"))
        x = added(inner, x, f"{at}.output.dense", f"{at}.output.LayerNorm")
    if pooling == "mean":
        read = step("Unsqueeze", step("Cast", "mask", domain="", to=TensorProto.FLOAT), two, domain="")
        total = step("ReduceSum", step("Mul", x, read, domain=""), one, domain="", keepdims=0)
        step("Div", total, step("ReduceSum", read, one, domain="", keepdims=0), domain="")
    else:
        first = step("Gather", x, number("first", 0), domain="", axis=1)
        if pooling == "pooler":
            step("Tanh", step("Add", linear(first, "pooler.dense"), bias("pooler.dense"), domain=""), domain="")
    nodes[-1].output[0] = "vectors"
    inputs = [helper.make_tensor_value_info(name, kind, ["texts", "width"])
              for name, kind in (("ids", TensorProto.INT64), ("mask", TensorProto.INT32))]  # fmt: skip
    output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", config.hidden_size])
    tensors = [elsewhere(name, value.shape) for name, value in held.items()]
    graph = helper.make_graph(nodes, "encoder", inputs, [output], numbers + tensors)
    versions = [helper.make_opsetid(domain, version) for domain, version in OPERATORS.items()]
    return helper.make_model(graph, opset_imports=versions, ir_version=IR), held
