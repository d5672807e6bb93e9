"""LPS-Net's progressive expansion: a small network grows, round by round, where accuracy costs the least latency.

Yiheng Zhang, Ting Yao, Zhaofan Qiu, Tao Mei: "Lightweight and Progressively-Scalable Networks for Semantic
Segmentation" (2022), arXiv 2207.13600, section "Progressive expansion".
"""

from keras_liteseg.expansion.algorithm import (
    OPERATORS,
    START,
    Architecture,
    Node,
    Round,
    candidates,
    choose,
    expand,
    slope,
)

__all__ = ["OPERATORS", "START", "Architecture", "Node", "Round", "candidates", "choose", "expand", "slope"]
