"""A network that nobody trained, for tests of what is done with one. Needs PyTorch: import it behind `importorskip`."""

import torch

from models.network import EmotionNet, Shape


def drawn_net(shape: Shape, seed: int) -> EmotionNet:
    """A network in which no layer is idle, as after training."""
    torch.manual_seed(seed)
    net = EmotionNet(shape)
    with torch.no_grad():
        for one in net.parameters():
            one.add_(0.1 * torch.randn_like(one))
        net.mean.copy_(0.2 * torch.randn(shape.channels))
        net.squares.copy_(net.mean**2 + 0.5 + torch.rand(shape.channels))
        net.pooled_norm.running_mean.copy_(0.2 * torch.randn(2 * shape.channels))
        net.pooled_norm.running_var.copy_(0.5 + torch.rand(2 * shape.channels))
    return net.eval()
