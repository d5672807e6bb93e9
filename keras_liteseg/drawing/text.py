"""Text in pictures."""

from PIL import Image, ImageDraw, ImageFont

INK = (30, 30, 34)
FAINT = (120, 120, 126)


def font(size):
    """Return Pillow's own font, so that a picture looks the same on every machine."""
    return ImageFont.load_default(size)


def width_of(text, size):
    """Return the width of a line of text in pixels."""
    return round(font(size).getlength(text))


def draw_text(canvas, place, text, size, color=INK, anchor="lm"):
    """Write a line into a Pillow image; `anchor` is Pillow's and says which point of the text is at `place` (x, y)."""
    ImageDraw.Draw(canvas).text(place, text, color, font(size), anchor)


def draw_upright(canvas, place, text, size, color=INK):
    """Write a line that reads upwards, its lower end centred at `place` (x, y)."""
    width, height = width_of(text, size), 2 * size
    line = Image.new("L", (width, height), 0)
    ImageDraw.Draw(line).text((0, height // 2), text, 255, font(size), "lm")
    line = line.rotate(90, expand=True)
    x, y = place
    canvas.paste(color, (x - height // 2, y - width), line)
