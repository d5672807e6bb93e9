/*
 * Runs examples/android/Segmentation.kt on files: one line of arguments per case, read from the standard input.
 *
 *     prepare DTYPE SCALE ZERO_POINT SHAPE MEAN STD PICTURE HEIGHT WIDTH RESULT
 *     label DTYPE SCALE ZERO_POINT SHAPE ALIGN_CORNERS INPUT_SHAPE OUTPUT HEIGHT WIDTH RESULT
 *
 * PICTURE holds int32 0xAARRGGBB, OUTPUT what the network gave, RESULT gets the input of the network or int32 classes;
 * all are raw little-endian numbers.
 */
package keras_liteseg.example

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

fun main() {
    for (line in generateSequence(::readlnOrNull)) {
        val words = line.split(" ")
        val tensor = Tensor(words[1], ints(words[4]), words[2].toFloat(), words[3].toInt())
        val height = words[8].toInt()
        val width = words[9].toInt()
        val data = ByteBuffer.wrap(File(words[7]).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        val result = File(words[10])
        if (words[0] == "prepare") {
            val card = Card(tensor, tensor, floats(words[5]), floats(words[6]), false)
            val pixels = IntArray(height * width).also { data.asIntBuffer().get(it) }
            if (tensor.dtype == "float32") {
                result.write(normalized(card, pixels, height, width).map { it.toRawBits() }.toIntArray())
            } else {
                result.writeBytes(quantized(card, pixels, height, width))
            }
        } else {
            val input = Tensor("float32", ints(words[6]), 0f, 0)
            val card = Card(input, tensor, FloatArray(3), FloatArray(3), words[5] == "true")
            val labels = when (tensor.dtype) {
                "float32" -> {
                    val scores = FloatArray(data.remaining() / 4).also { data.asFloatBuffer().get(it) }
                    labelsOfScores(card, scores, height, width)
                }
                "int32" -> {
                    val map = IntArray(data.remaining() / 4).also { data.asIntBuffer().get(it) }
                    labelsOfClasses(card, map, height, width)
                }
                "int8" -> labelsOfScores(card, dequantized(card, data.array()), height, width)
                "uint8" -> labelsOfClasses(card, classes(data.array()), height, width)
                else -> error(tensor.dtype)
            }
            result.write(labels)
        }
    }
}

private fun ints(word: String) = word.split(",").map { it.toInt() }.toIntArray()

private fun floats(word: String) = word.split(",").map { it.toDouble().toFloat() }.toFloatArray()

private fun File.write(values: IntArray) {
    val bytes = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
    bytes.asIntBuffer().put(values)
    writeBytes(bytes.array())
}
