"""The network as the server runs it: one utterance, from the streamer's own features to logits and moments.

The same numbers as `models.network`, written so that they become a small and quick ONNX graph: convolutions as matrix
products, positions computed, nothing packed or padded. This file must never train.
"""

import warnings
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import onnx
import onnxruntime.quantization
import scipy.fft
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.configuration import Configuration
from models.dataset import FRONT_END
from models.network import FLOOR, SPOKEN, EmotionNet, emotions
from streamer.emotion.model import FeatureCard
from streamer.features import FEATURES_KIND, LOG_MEL_KIND, MfccParameters

OPSET: Final = 17
_LARGE: Final = 4096
"""Weights with fewer numbers are stored as they are."""


def features_of(configuration: Configuration) -> FeatureCard:
    """Return the features that an exported network of this configuration takes."""
    if configuration.front_end == "log-mel":
        return FeatureCard(kind=LOG_MEL_KIND, log_mel=FRONT_END)
    mfcc = MfccParameters(**msgspec.structs.asdict(FRONT_END), n_mfcc=FRONT_END.n_mels)
    return FeatureCard(kind=FEATURES_KIND, mfcc=mfcc)


class Serving(nn.Module):  # type: ignore[misc] # torch has no types where the product is checked
    """One utterance at a time.

    Parameters
    ----------
    net
        A trained network; its weights are shared.
    cepstral
        Whether features are MFCCs, of as many coefficients as bands; they are turned back into log-mels, which loses
        nothing. Log-mels otherwise.
    """

    def __init__(self, net: EmotionNet, *, cepstral: bool) -> None:
        super().__init__()
        self.net = net
        bands = net.shape.bands
        # Rows of the orthonormal cosine transform of type 2; its inverse is its transpose.
        turn = scipy.fft.dct(np.eye(bands), axis=0, norm="ortho") if cepstral else np.eye(bands)
        self.register_buffer("turn", torch.from_numpy(turn.astype(np.float32)))
        self.cepstral = cepstral
        self.register_buffer("first", net.first.weight.detach().permute(2, 1, 0).reshape(-1, net.shape.width))
        self.register_buffer("second", net.second.weight.detach().permute(2, 1, 0).reshape(-1, net.shape.width))
        half = net.shape.width // 2
        self.register_buffer("rates", torch.exp(-np.log(10000.0) / (half - 1) * torch.arange(half)))

    def forward(self, features: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return logits float[1, labels], weight float[1], total and squares float[1, width].

        Parameters
        ----------
        features
            float[1, frames, bands], as the streamer's front end gives them.
        mean, std
            float[1, width], the caller's statistics.
        """
        net = self.net
        rows = features[0]
        if self.cepstral:
            rows = rows @ self.turn
        rows = (rows / 10.0 + float(np.log10(4.0) + 4.0)) / 4.0
        peak = rows.max()
        count = torch.div(rows.shape[0] + 1, 2, rounding_mode="floor")
        level = rows.max(dim=1).values
        level = torch.cat((level, level[-1:]))[: 2 * count].reshape(-1, 2).max(dim=1).values
        spoken = (level > peak - SPOKEN).float()[:, None]
        rows = torch.cat((rows, (peak - FLOOR).expand(rows.shape[0], 1)), dim=1)
        none = torch.zeros_like(rows[:1])
        beside = torch.cat((torch.cat((none, rows[:-1])), rows, torch.cat((rows[1:], none))), dim=1)
        x = functional.gelu(beside @ self.first + net.first.bias)
        none = torch.zeros_like(x[:1])
        x = torch.cat((none, x, none))
        x = torch.cat((x[0::2][:count], x[1::2][:count], x[2::2][:count]), dim=1)
        x = functional.gelu(x @ self.second + net.second.bias)
        angles = torch.arange(count).float()[:, None] * self.rates[None]
        x = x + torch.cat((torch.sin(angles), torch.cos(angles)), dim=1)
        layers = [x]
        for block in net.blocks:
            width = net.shape.width
            inner = block.query_key_value(block.attention_norm(x)).view(-1, 3, block.heads, width // block.heads)
            query, key, value = inner.permute(1, 2, 0, 3)
            weight = torch.softmax((query * (width // block.heads) ** -0.5) @ key.transpose(1, 2), dim=-1)
            x = x + block.attended((weight @ value).transpose(0, 1).reshape(-1, width))
            x = x + block.narrow(functional.gelu(block.widen(block.forward_norm(x))))
            layers.append(x)
        x = torch.cat([layers[number] for number in net.shape.listens], dim=1)
        total = (spoken * x).sum(dim=0, keepdim=True)
        squares = (spoken * x * x).sum(dim=0, keepdim=True)
        x = (x - mean) / std
        share = torch.exp(net.weigh(torch.tanh(net.attend(x))).clamp(-8.0, 8.0))
        share = share / share.sum(dim=0, keepdim=True)
        middle = (share * x).sum(dim=0, keepdim=True)
        variance = (share * (x - middle) ** 2).sum(dim=0, keepdim=True)
        pooled = net.pooled_norm(torch.cat((middle, torch.sqrt(variance + 1e-4)), dim=1))
        return emotions(net.head(pooled)), spoken.sum().reshape(1), total, squares


def to_onnx(net: EmotionNet, configuration: Configuration, path: Path) -> None:
    """Write a network as the server takes it, its weights as the configuration says.

    `int8`: the large matrix products are of 8-bit integers. Weights are rounded once, one scale a column; what they are
    multiplied with is rounded for each utterance. Seven of the eight bits of the weights are used, so that processors
    without VNNI instructions, which would overflow, give the same verdicts. `float16`: weights are stored in half
    precision, and everything is computed in single precision.

    The parameters of the features go into the metadata, so that card and network can be held against each other.
    """
    bands, channels = net.shape.bands, net.shape.channels
    serving = Serving(net, cepstral=configuration.front_end == "mfcc").eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    exact = path.with_suffix(".exact.onnx")
    with warnings.catch_warnings():
        # The tracing exporter is deprecated in favour of one that needs two more packages; the network is plain.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            serving,
            (torch.randn(1, 101, bands), torch.zeros(1, channels), torch.ones(1, channels)),
            str(exact),
            input_names=["features", "mean", "std"],
            output_names=["logits", "weight", "total", "squares"],
            dynamic_axes={"features": {1: "frames"}},
            opset_version=OPSET,
            dynamo=False,
        )
    if configuration.weights == "int8":
        onnxruntime.quantization.quantize_dynamic(
            exact,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=onnxruntime.quantization.QuantType.QInt8,
        )
        network = onnx.load(path)
    else:
        network = _halved(onnx.load(exact))
    card = msgspec.json.encode(features_of(configuration)).decode()
    onnx.helper.set_model_props(network, {"features": card})
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    exact.unlink()


def _halved(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network whose large weights are stored in half precision and read in single precision."""
    graph = network.graph
    for weights in list(graph.initializer):
        if weights.data_type != onnx.TensorProto.FLOAT or np.prod(weights.dims) < _LARGE:
            continue
        half = onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(weights).astype(np.float16), weights.name + "_16"
        )
        cast = onnx.helper.make_node("Cast", [half.name], [weights.name], to=onnx.TensorProto.FLOAT)
        graph.initializer.remove(weights)
        graph.initializer.append(half)
        graph.node.insert(0, cast)
    return network
