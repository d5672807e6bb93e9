"""The nine classes of the street scenes, in the colours that Cityscapes gives their counterparts."""

from keras_liteseg.datasets.base import ClassList

CLASSES = ClassList(
    names=("road", "pavement", "building", "vegetation", "sky", "pole", "sign", "person", "vehicle"),
    colors=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (107, 142, 35),
        (70, 130, 180),
        (153, 153, 153),
        (220, 220, 0),
        (220, 20, 60),
        (0, 0, 142),
    ),
)

ROAD, PAVEMENT, BUILDING, VEGETATION, SKY, POLE, SIGN, PERSON, VEHICLE = range(9)
