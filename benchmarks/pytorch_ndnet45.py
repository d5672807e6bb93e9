"""NDNet45 in PyTorch, channels_last, for `benchmarks.training_speed`: each line of input starts a round of steps, each
line of output is the seconds it took. Run by a Python that has PyTorch (`make test-backends` makes one).

  python -m benchmarks.pytorch_ndnet45 BATCH HEIGHT WIDTH STEPS
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

WIDTHS, DEPTHS, STRIDES, DILATIONS = (16, 32, 64), (4, 12, 6), (2, 2, 1), (1, 1, 2)


def conv_bn(channels_in, channels_out, kernel_size, stride=1):
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


def separable_bn(channels_in, channels_out, stride=1, dilation=1):
    depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, dilation, dilation, groups=channels_in, bias=False)
    return nn.Sequential(depthwise, conv_bn(channels_in, channels_out, 1))


class Bottleneck(nn.Module):
    def __init__(self, channels_in, width, stride, dilation, projection):
        super().__init__()
        self.first = separable_bn(channels_in, width, stride, dilation)
        self.second = separable_bn(width, 4 * width, 1, dilation)
        self.shortcut = separable_bn(channels_in, 4 * width, stride, dilation) if projection else nn.Identity()

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class NDNet45(nn.Module):
    """With encoder-decoder head and auxiliary head, as it is trained."""

    def __init__(self, num_classes):
        super().__init__()
        self.stem, channels, blocks = conv_bn(3, 8, 3, 2), 8, []
        for width, depth, stride, dilation in zip(WIDTHS, DEPTHS, STRIDES, DILATIONS):
            block = []
            for index in range(depth):
                block.append(Bottleneck(channels, width, 1 if index else stride, dilation, not index))
                channels = 4 * width
            blocks.append(nn.Sequential(*block))
        self.blocks = nn.ModuleList(blocks)
        self.fusion = conv_bn(320, 256, 1)
        self.seg = nn.Sequential(separable_bn(256, 64), nn.ReLU(), nn.Conv2d(64, num_classes, 1))
        self.aux = nn.Sequential(separable_bn(128, 128), nn.ReLU(), nn.Conv2d(128, num_classes, 1))

    def forward(self, x):
        size = x.shape[2:]
        x = functional.max_pool2d(torch.relu(self.stem(x)), 3, 2, 1)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = torch.cat([resize(x, outputs[0].shape[2:]), outputs[0]], 1)
        return [resize(y, size) for y in (self.seg(torch.relu(self.fusion(x))), self.aux(outputs[1]))]


def resize(x, size):
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)


def main(batch, height, width, steps):
    torch.manual_seed(0)
    model = NDNet45(11).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images = torch.randn(batch, 3, height, width).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 11, (batch, height, width))

    def step():
        optimizer.zero_grad()
        main, aux = (functional.cross_entropy(logits, labels, ignore_index=255) for logits in model(images))
        (main + 0.4 * aux).backward()
        optimizer.step()

    step()
    print(torch.__version__, sum(p.numel() for p in model.parameters()), torch.get_num_threads(), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
