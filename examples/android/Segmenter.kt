/* A .tflite file of keras_liteseg in an Android app, with LiteRT's CompiledModel. */
package keras_liteseg.example

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import org.json.JSONArray
import org.json.JSONObject

/**
 * Classes of pictures. [name].tflite and its card [name].json are in src/main/assets.
 *
 * Use one object for all frames, from one thread that is not the UI's, and close it at the end.
 */
class Segmenter(context: Context, name: String, accelerator: Accelerator = Accelerator.CPU) : AutoCloseable {
    private val json = JSONObject(context.assets.open("$name.json").bufferedReader().use { it.readText() })
    private val card = readCard(json)

    /** Colour of each class. */
    val colors: IntArray = json.getJSONArray("classes").objects().map { entry ->
        val rgb = entry.getJSONArray("color")
        Color.rgb(rgb.getInt(0), rgb.getInt(1), rgb.getInt(2))
    }.toIntArray()

    /** Name of each class. */
    val names: List<String> = json.getJSONArray("classes").objects().map { it.getString("name") }

    private val model = CompiledModel.create(context.assets, "$name.tflite", CompiledModel.Options(accelerator))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /**
     * Returns the class of each pixel, row by row.
     *
     * [picture] is upright: a frame of CameraX must be turned by its imageInfo.rotationDegrees first. It is an
     * ARGB_8888 bitmap; getPixels gives red, green and blue in the order in which the network was trained.
     */
    fun segment(picture: Bitmap): IntArray {
        val (height, width) = picture.height to picture.width
        val pixels = IntArray(height * width)
        picture.getPixels(pixels, 0, width, 0, 0, width, height)
        when (card.input.dtype) {
            "float32" -> inputs[0].writeFloat(normalized(card, pixels, height, width))
            // LiteRT has no function for uint8; this one copies the bytes as they are.
            "int8", "uint8" -> inputs[0].writeInt8(quantized(card, pixels, height, width))
            else -> error("The input of the network is ${card.input.dtype}; export with --input_type float32.")
        }
        model.run(inputs, outputs)
        return when (card.output.dtype) {
            "float32" -> labelsOfScores(card, outputs[0].readFloat(), height, width)
            "int8" -> labelsOfScores(card, dequantized(card, outputs[0].readInt8()), height, width)
            "uint8" -> labelsOfClasses(card, classes(outputs[0].readInt8()), height, width)
            "int32" -> labelsOfClasses(card, outputs[0].readInt(), height, width)
            else -> error("The output of the network is ${card.output.dtype}; export with --output_type classes.")
        }
    }

    /** The classes in their colours, to be drawn over the picture: set the ImageView's or paint's alpha to 140. */
    fun overlay(picture: Bitmap): Bitmap {
        val labels = segment(picture)
        val painted = IntArray(labels.size) { colors[labels[it]] }
        return Bitmap.createBitmap(painted, picture.width, picture.height, Bitmap.Config.ARGB_8888)
    }

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
    }
}

private fun readCard(json: JSONObject): Card {
    val normalization = json.getJSONObject("normalization")
    return Card(
        input = readTensor(json.getJSONArray("inputs").getJSONObject(0)),
        output = readTensor(json.getJSONArray("outputs").getJSONObject(0)),
        mean = normalization.getJSONArray("mean").floats(),
        std = normalization.getJSONArray("std").floats(),
        alignCorners = json.getBoolean("align_corners"),
    )
}

private fun readTensor(json: JSONObject) = Tensor(
    dtype = json.getString("dtype"),
    shape = json.getJSONArray("shape").let { shape -> IntArray(shape.length()) { shape.getInt(it) } },
    scale = json.optDouble("scale", 0.0).toFloat(),
    zeroPoint = json.optInt("zero_point", 0),
)

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }

private fun JSONArray.objects() = List(length()) { getJSONObject(it) }
