// Segments a picture with a .tflite file of keras_liteseg.
//
//     ./segment street.tflite street.ppm labels.pgm 0.485,0.456,0.406 0.229,0.224,0.225 [align_corners]
//
// The numbers are `mean` and `std` under `normalization` on the card, street.json; `align_corners` is to be given where
// the card says `"align_corners": true`. Everything else is in the file. street.ppm has 8 bits per channel, as
// `convert street.jpg street.ppm` makes it; labels.pgm gets the class of each of its pixels.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "litert.h"
#include "resize.h"

using Bytes = Raster<std::uint8_t>;

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

void check(Status status, const char* what) {
  if (status != 0) fail(std::string("LiteRT could not ") + what + "; its status is " + std::to_string(status));
}

// The network, its one input and its one output.
class Network {
 public:
  explicit Network(const char* path) {
    check(LiteRtCreateEnvironment(0, nullptr, &environment_), "start");
    check(LiteRtCreateModelFromFile(environment_, path, &model_), "read the .tflite file");
    check(LiteRtCreateOptions(&options_), "make options");
    check(LiteRtSetOptionsHardwareAccelerators(options_, kAcceleratorCpu), "choose the CPU");
    check(LiteRtCreateCompiledModel(environment_, model_, options_, &compiled_), "compile the network");
    Handle signature, requirements;
    check(LiteRtGetModelSignature(model_, 0, &signature), "find the signature");
    check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &input.tensor), "find the input");
    check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &output.tensor), "find the output");
    check(LiteRtGetCompiledModelInputBufferRequirements(compiled_, 0, 0, &requirements), "size the input");
    describe(input, requirements);
    check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_, 0, 0, &requirements), "size the output");
    describe(output, requirements);
    if (input.type.rank != 4 || input.type.dimensions[0] != 1 || input.type.dimensions[3] != 3)
      fail("The input of the file is not one RGB picture, (1, height, width, 3)");
    if (output.type.rank != 4 && output.type.rank != 3)
      fail("The output of the file is neither scores, (1, height, width, classes), nor classes, (1, height, width)");
  }

  ~Network() {
    LiteRtDestroyTensorBuffer(input.buffer);
    LiteRtDestroyTensorBuffer(output.buffer);
    LiteRtDestroyCompiledModel(compiled_);
    LiteRtDestroyOptions(options_);
    LiteRtDestroyModel(model_);
    LiteRtDestroyEnvironment(environment_);
  }

  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  struct Tensor {
    Handle tensor = nullptr, buffer = nullptr;
    RankedTensorType type{};
    PerTensorQuantization quantization{};  // of scale 0 where there is none
  };
  Tensor input, output;

  void run() { check(LiteRtRunCompiledModel(compiled_, 0, 1, &input.buffer, 1, &output.buffer), "run the network"); }

 private:
  void describe(Tensor& tensor, Handle requirements) {
    int kind = 0;
    check(LiteRtGetRankedTensorType(tensor.tensor, &tensor.type), "tell the shape of a tensor");
    check(LiteRtGetQuantizationTypeId(tensor.tensor, &kind), "tell how a tensor is quantized");
    if (kind == kQuantizedPerTensor)
      check(LiteRtGetPerTensorQuantization(tensor.tensor, &tensor.quantization), "tell the scale of a tensor");
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment_, &tensor.type, requirements, &tensor.buffer),
          "make room for a tensor");
  }

  Handle environment_ = nullptr, model_ = nullptr, options_ = nullptr, compiled_ = nullptr;
};

// The memory of a tensor, as `count` values, between two runs.
template <typename T, typename Use>
void with_values(Handle buffer, int mode, std::size_t count, Use use) {
  std::size_t bytes = 0;
  void* address = nullptr;
  check(LiteRtGetTensorBufferPackedSize(buffer, &bytes), "tell the size of a tensor");
  if (bytes != count * sizeof(T)) fail("A tensor has " + std::to_string(bytes) + " bytes; is litert.h of this LiteRT?");
  check(LiteRtLockTensorBuffer(buffer, &address, mode), "lend the memory of a tensor");
  use(static_cast<T*>(address));
  check(LiteRtUnlockTensorBuffer(buffer), "take the memory of a tensor back");
}

template <typename T>
void write_input(Network& network, const Bytes& image, const float* mean, const float* deviation) {
  const float scale = network.input.quantization.scale, zero_point = float(network.input.quantization.zero_point);
  with_values<T>(network.input.buffer, kLockWrite, image.data.size(), [&](T* values) {
    for (std::size_t i = 0; i < image.data.size(); ++i) {
      const float value = (float(image.data[i]) / 255 - mean[i % 3]) / deviation[i % 3];
      if constexpr (std::numeric_limits<T>::is_integer) {
        const float lowest = float(std::numeric_limits<T>::min()), highest = float(std::numeric_limits<T>::max());
        values[i] = T(std::clamp(std::nearbyint(value / scale + zero_point), lowest, highest));
      } else {
        values[i] = value;
      }
    }
  });
}

template <typename T>
Raster<float> read_scores(Network& network) {
  const std::int32_t* shape = network.output.type.dimensions;
  const float scale = network.output.quantization.scale, zero_point = float(network.output.quantization.zero_point);
  Raster<float> scores(shape[1], shape[2], shape[3]);
  with_values<T>(network.output.buffer, kLockRead, scores.data.size(), [&](const T* values) {
    for (std::size_t i = 0; i < scores.data.size(); ++i)
      scores.data[i] = scale != 0 ? (float(values[i]) - zero_point) * scale : float(values[i]);
  });
  return scores;
}

template <typename T>
Bytes read_classes(Network& network) {
  const std::int32_t* shape = network.output.type.dimensions;
  Bytes classes(shape[1], shape[2], 1);
  with_values<T>(network.output.buffer, kLockRead, classes.data.size(), [&](const T* values) {
    for (std::size_t i = 0; i < classes.data.size(); ++i) classes.data[i] = std::uint8_t(values[i]);
  });
  return classes;
}

Bytes highest(const Raster<float>& scores) {
  Bytes classes(scores.height, scores.width, 1);
  for (std::size_t i = 0; i < classes.data.size(); ++i) {
    const float* pixel = &scores.data[i * scores.channels];
    classes.data[i] = std::uint8_t(std::max_element(pixel, pixel + scores.channels) - pixel);
  }
  return classes;
}

// The class of each pixel of a picture.
Bytes segment(Network& network, const Bytes& picture, const float* mean, const float* deviation, bool align_corners) {
  const int height = network.input.type.dimensions[1], width = network.input.type.dimensions[2];
  const Bytes image = resize_picture(picture, height, width);
  switch (network.input.type.element_type) {
    case kFloat32: write_input<float>(network, image, mean, deviation); break;
    case kInt8: write_input<std::int8_t>(network, image, mean, deviation); break;
    case kUInt8: write_input<std::uint8_t>(network, image, mean, deviation); break;
    case kInt16: write_input<std::int16_t>(network, image, mean, deviation); break;
    default: fail("The input of the file has a type that this program does not know");
  }
  network.run();
  const int type = network.output.type.element_type;
  if (network.output.type.rank == 3) {
    if (type != kInt32 && type != kUInt8) fail("The output of the file has a type that this program does not know");
    Bytes classes = type == kInt32 ? read_classes<std::int32_t>(network) : read_classes<std::uint8_t>(network);
    if (align_corners) classes = resize_nearest(classes, height, width, true);
    return resize_nearest(classes, picture.height, picture.width, false);
  }
  Raster<float> scores(0, 0, 0);
  switch (type) {
    case kFloat32: scores = read_scores<float>(network); break;
    case kInt8: scores = read_scores<std::int8_t>(network); break;
    case kInt16: scores = read_scores<std::int16_t>(network); break;
    default: fail("The output of the file has a type that this program does not know");
  }
  if (align_corners)
    scores = interpolate(scores, aligned_corners(scores.height, height), aligned_corners(scores.width, width), true);
  return highest(resize_linear(scores, picture.height, picture.width));
}

// A binary PPM: P6, width, height, 255, one white space, and the pixels in RGB order.
Bytes read_ppm(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string("There is no picture ") + path);
  std::string magic;
  int numbers[3] = {};
  file >> magic;
  for (int& number : numbers) {
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    file >> number;
  }
  const auto [width, height, largest] = numbers;
  if (!file || magic != "P6" || largest != 255 || width < 1 || height < 1)
    fail(std::string(path) + " is no PPM picture of 8 bits per channel (P6)");
  file.get();
  Bytes picture(height, width, 3);
  file.read(reinterpret_cast<char*>(picture.data.data()), std::streamsize(picture.data.size()));
  if (!file) fail(std::string(path) + " ends too early");
  return picture;
}

void write_pgm(const char* path, const Bytes& labels) {
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << labels.width << ' ' << labels.height << "\n255\n";
  file.write(reinterpret_cast<const char*>(labels.data.data()), std::streamsize(labels.data.size()));
  if (!file.flush()) fail(std::string("Cannot write ") + path);
}

void parse(const char* text, float* numbers) {
  double a, b, c;
  if (std::sscanf(text, "%lf,%lf,%lf", &a, &b, &c) != 3) fail(std::string(text) + " is not three numbers R,G,B");
  numbers[0] = float(a), numbers[1] = float(b), numbers[2] = float(c);
}

int main(int count, char** arguments) {
  const bool align_corners = count == 7 && std::strcmp(arguments[6], "align_corners") == 0;
  if (count != 6 && !align_corners) {
    std::fprintf(stderr, "usage: segment FILE.tflite PICTURE.ppm LABELS.pgm MEAN_R,G,B STD_R,G,B [align_corners]\n");
    return 2;
  }
  try {
    float mean[3], deviation[3];
    parse(arguments[4], mean);
    parse(arguments[5], deviation);
    const Bytes picture = read_ppm(arguments[2]);
    Network network(arguments[1]);
    write_pgm(arguments[3], segment(network, picture, mean, deviation, align_corners));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s.\n", error.what());
    return 1;
  }
}
