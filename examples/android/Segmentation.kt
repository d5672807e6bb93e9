/*
 * What happens to a picture before and after the network, exactly as the card of the .tflite file says and as
 * keras_liteseg computes it. Plain Kotlin without Android, so that a computer can test it.
 *
 * A picture is the IntArray of Bitmap.getPixels: row by row, 0xAARRGGBB. Values of a network are flat arrays in the
 * order row, column, channel.
 */
package keras_liteseg.example

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/** An input or output as the card lists it; a quantized value q stands for scale * (q - zeroPoint). */
class Tensor(
    val dtype: String,
    val shape: IntArray,
    /** 0 where the tensor is not quantized. */
    val scale: Float,
    val zeroPoint: Int,
)

/** What an app needs of a card, the .json file beside the .tflite file. */
class Card(
    val input: Tensor,
    val output: Tensor,
    val mean: FloatArray,
    val std: FloatArray,
    val alignCorners: Boolean,
) {
    val height get() = input.shape[1]
    val width get() = input.shape[2]
}

/** The input of a float32 file: the picture resized, and then normalized. */
fun normalized(card: Card, pixels: IntArray, height: Int, width: Int): FloatArray {
    val bytes = resizePicture(rgb(pixels), height, width, card.height, card.width)
    return FloatArray(bytes.size) { (bytes[it] / 255f - card.mean[it % 3]) / card.std[it % 3] }
}

/** The input of an int8 or uint8 file; a Byte of Kotlin holds either. */
fun quantized(card: Card, pixels: IntArray, height: Int, width: Int): ByteArray {
    val values = normalized(card, pixels, height, width)
    val (lowest, highest) = if (card.input.dtype == "uint8") 0f to 255f else -128f to 127f
    return ByteArray(values.size) {
        // `round` rounds halves to the even number, as NumPy does; Math.round would not.
        round(values[it] / card.input.scale + card.input.zeroPoint).coerceIn(lowest, highest).toInt().toByte()
    }
}

/** The scores that the int8 output of a file stands for. */
fun dequantized(card: Card, bytes: ByteArray): FloatArray =
    FloatArray(bytes.size) { (bytes[it] - card.output.zeroPoint) * card.output.scale }

/** The classes in the uint8 output of a file. */
fun classes(bytes: ByteArray): IntArray = IntArray(bytes.size) { bytes[it].toInt() and 0xFF }

/** The class of each pixel of a picture of that size, from scores. */
fun labelsOfScores(card: Card, scores: FloatArray, height: Int, width: Int): IntArray {
    val (_, rows, columns, count) = card.output.shape
    var enlarged = Scores(scores, rows, columns, count)
    if (card.alignCorners) {
        val down = alignedCorners(rows, card.height)
        enlarged = interpolate(enlarged, down, alignedCorners(columns, card.width), rowsFirst = true)
    }
    if (enlarged.rows != height || enlarged.columns != width) {
        val down = halfPixel(enlarged.rows, height, clamp = false)
        enlarged = interpolate(enlarged, down, halfPixel(enlarged.columns, width, clamp = true), rowsFirst = false)
    }
    return IntArray(height * width) { pixel ->
        var best = 0
        for (i in 1 until count) {
            if (enlarged.values[pixel * count + i] > enlarged.values[pixel * count + best]) best = i
        }
        best
    }
}

/** The class of each pixel of a picture of that size, from a class map. */
fun labelsOfClasses(card: Card, classes: IntArray, height: Int, width: Int): IntArray {
    val (_, rows, columns) = card.output.shape
    if (!card.alignCorners) return nearest(classes, columns, middles(rows, height), middles(columns, width))
    val map = nearest(classes, columns, corners(rows, card.height), corners(columns, card.width))
    return nearest(map, card.width, middles(card.height, height), middles(card.width, width))
}

// Resizing, with the results of OpenCV 5. An app that has OpenCV may call Imgproc.resize instead.

private fun rgb(pixels: IntArray) = IntArray(3 * pixels.size) { pixels[it / 3] shr (16 - 8 * (it % 3)) and 0xFF }

private fun resizePicture(image: IntArray, height: Int, width: Int, newHeight: Int, newWidth: Int): IntArray = when {
    height == newHeight && width == newWidth -> image
    height >= newHeight && width >= newWidth -> resizeArea(image, height, width, newHeight, newWidth)
    else -> resizeLinear(image, height, width, newHeight, newWidth)
}

/** Where an output pixel lies between two input pixels; `weight` is that of the upper one. */
private class Between(val lower: Int, val upper: Int, val weight: Float)

private fun halfPixel(source: Int, target: Int, clamp: Boolean): List<Between> {
    val scale = source.toDouble() / target
    return List(target) {
        val position = ((it + 0.5) * scale - 0.5).toFloat()
        val lower = floor(position).toInt()
        val outside = lower < 0 || lower >= source - 1
        val weight = if (clamp && outside) 0f else position - lower
        Between(lower.coerceIn(0, source - 1), (lower + 1).coerceIn(0, source - 1), weight)
    }
}

private fun alignedCorners(source: Int, target: Int): List<Between> {
    val scale = (source - 1).toDouble() / max(target - 1, 1)
    return List(target) {
        val lower = (it * scale).toInt()
        Between(lower, min(lower + 1, source - 1), (it * scale - lower).toFloat())
    }
}

private class Scores(val values: FloatArray, val rows: Int, val columns: Int, val count: Int)

private fun interpolate(scores: Scores, down: List<Between>, across: List<Between>, rowsFirst: Boolean): Scores {
    val (values, count) = scores.values to scores.count
    val result = FloatArray(down.size * across.size * count)
    var at = 0
    for (row in down) for (column in across) {
        val (v, u) = row.weight to column.weight
        val a = (row.lower * scores.columns + column.lower) * count
        val b = (row.lower * scores.columns + column.upper) * count
        val c = (row.upper * scores.columns + column.lower) * count
        val d = (row.upper * scores.columns + column.upper) * count
        for (i in 0 until count) {
            // The same number but for its last bit.
            result[at++] =
                if (rowsFirst) {
                    val left = values[a + i] * (1 - v) + values[c + i] * v
                    val right = values[b + i] * (1 - v) + values[d + i] * v
                    left * (1 - u) + right * u
                } else {
                    val above = values[a + i] * (1 - u) + values[b + i] * u
                    val below = values[c + i] * (1 - u) + values[d + i] * u
                    above * (1 - v) + below * v
                }
        }
    }
    return Scores(result, down.size, across.size, count)
}

/** INTER_LINEAR on bytes: weights of 11 bits, and rounding as in OpenCV's vector code. */
private fun resizeLinear(image: IntArray, height: Int, width: Int, newHeight: Int, newWidth: Int): IntArray {
    val across = halfPixel(width, newWidth, clamp = true)
    val result = IntArray(3 * newHeight * newWidth)
    var at = 0
    for (row in halfPixel(height, newHeight, clamp = false)) for (column in across) for (channel in 0 until 3) {
        fun between(y: Int) =
            image[3 * (y * width + column.lower) + channel] * fixed(1 - column.weight) +
                image[3 * (y * width + column.upper) + channel] * fixed(column.weight)
        val above = (between(row.lower) shr 4) * fixed(1 - row.weight) shr 16
        val below = (between(row.upper) shr 4) * fixed(row.weight) shr 16
        result[at++] = (above + below + 2 shr 2).coerceIn(0, 255)
    }
    return result
}

private fun fixed(weight: Float) = round(weight * 2048).toInt()

/** INTER_AREA on bytes where no side grows: each output pixel is the mean of the input pixels under it. */
private fun resizeArea(image: IntArray, height: Int, width: Int, newHeight: Int, newWidth: Int): IntArray {
    if (height % newHeight == 0 && width % newWidth == 0) {
        return resizeWhole(image, width, height / newHeight, width / newWidth, newHeight, newWidth)
    }
    val across = areas(width, newWidth)
    val result = IntArray(3 * newHeight * newWidth)
    var at = 0
    for (rows in areas(height, newHeight)) for (columns in across) for (channel in 0 until 3) {
        var mean = 0f
        for ((y, share) in rows) {
            var sum = 0f
            for ((x, weight) in columns) sum += image[3 * (y * width + x) + channel] * weight
            mean += sum * share
        }
        result[at++] = round(mean).toInt().coerceIn(0, 255)
    }
    return result
}

/** INTER_AREA where `tall` times `wide` input pixels make one. */
private fun resizeWhole(image: IntArray, width: Int, tall: Int, wide: Int, newHeight: Int, newWidth: Int): IntArray {
    val share = (1.0 / (tall * wide)).toFloat()
    return IntArray(3 * newHeight * newWidth) { at ->
        val (pixel, channel) = at / 3 to at % 3
        var sum = 0
        for (y in 0 until tall) for (x in 0 until wide) {
            sum += image[3 * ((pixel / newWidth * tall + y) * width + pixel % newWidth * wide + x) + channel]
        }
        // Of 2x2 pixels OpenCV rounds halves up, of others to the even number.
        if (tall == 2 && wide == 2) sum + 2 shr 2 else round(sum * share).toInt()
    }
}

/** For each output pixel, the input pixels under it with their weights. */
private fun areas(source: Int, target: Int): List<List<Pair<Int, Float>>> {
    val scale = source.toDouble() / target
    return List(target) {
        val start = it * scale
        val end = start + scale
        val length = min(scale, source - start)
        val last = min(floor(end).toInt(), source - 1)
        val first = min(ceil(start).toInt(), last)
        buildList {
            if (first - start > 1e-3) add(first - 1 to ((first - start) / length).toFloat())
            for (whole in first until last) add(whole to (1 / length).toFloat())
            if (end - last > 1e-3) add(last to (min(min(end - last, 1.0), length) / length).toFloat())
        }
    }
}

private fun nearest(map: IntArray, width: Int, rows: IntArray, columns: IntArray) =
    IntArray(rows.size * columns.size) { map[rows[it / columns.size] * width + columns[it % columns.size]] }

/** INTER_NEAREST_EXACT; a sum, not a product, decides where a position falls between two pixels. */
private fun middles(source: Int, target: Int): IntArray {
    val scale = source.toDouble() / target
    var position = scale * 0.5
    return IntArray(target) { min(position.toInt(), source - 1).also { position += scale } }
}

/** Nearest neighbour with aligned corners. */
private fun corners(source: Int, target: Int) =
    IntArray(target) { (it * ((source - 1).toDouble() / max(target - 1, 1)) + 0.5).toInt() }
