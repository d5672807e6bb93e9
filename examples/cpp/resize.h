// Resizing with the results of OpenCV's cv::resize bit for bit, for programs without OpenCV. All rasters are rows of
// pixels of `channels` values. (OpenCV may hand float rasters of 1 to 4 channels to Intel's IPP on x86, which rounds
// differently.)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

template <typename T>
struct Raster {
  int height = 0, width = 0, channels = 0;
  std::vector<T> data;

  Raster(int height, int width, int channels)
      : height(height), width(width), channels(channels), data(std::size_t(height) * width * channels) {}
  T* at(int y, int x) { return &data[(std::size_t(y) * width + x) * channels]; }
  const T* at(int y, int x) const { return &data[(std::size_t(y) * width + x) * channels]; }
};

// Where an output pixel lies between two input pixels.
struct Between {
  int lower, upper;
  float weight;  // of the upper one
};

// Half-pixel centres. OpenCV keeps the weights of rows outside of the picture and not those of columns, which shows in
// the last bit.
inline std::vector<Between> half_pixel(int source, int target, bool columns) {
  std::vector<Between> result;
  const double scale = double(source) / target;
  for (int i = 0; i < target; ++i) {
    const float position = float((i + 0.5) * scale - 0.5);
    const int lower = int(std::floor(position));
    const bool outside = lower < 0 || lower >= source - 1;
    result.push_back({std::clamp(lower, 0, source - 1), std::clamp(lower + 1, 0, source - 1),
                      columns && outside ? 0.0f : position - float(lower)});
  }
  return result;
}

// Aligned corners, which OpenCV does not have: the first and the last pixel stay where they are.
inline std::vector<Between> aligned_corners(int source, int target) {
  std::vector<Between> result;
  for (int i = 0; i < target; ++i) {
    const double position = i * (double(source - 1) / std::max(target - 1, 1));
    const int lower = int(position);
    result.push_back({lower, std::min(lower + 1, source - 1), float(position - lower)});
  }
  return result;
}

// INTER_LINEAR on bytes: weights of 11 bits, and rounding as in OpenCV's vector code.
inline Raster<std::uint8_t> resize_linear(const Raster<std::uint8_t>& image, int height, int width) {
  const auto rows = half_pixel(image.height, height, false), columns = half_pixel(image.width, width, true);
  const auto fixed = [](float weight) { return int(std::nearbyint(weight * 2048)); };
  Raster<std::uint8_t> result(height, width, image.channels);
  for (int y = 0; y < height; ++y) {
    const Between& row = rows[y];
    const int above = fixed(1 - row.weight), below = fixed(row.weight);
    for (int x = 0; x < width; ++x) {
      const Between& column = columns[x];
      const int left = fixed(1 - column.weight), right = fixed(column.weight);
      for (int c = 0; c < image.channels; ++c) {
        const auto across = [&](int source) {
          return image.at(source, column.lower)[c] * left + image.at(source, column.upper)[c] * right;
        };
        const int sum = (((across(row.lower) >> 4) * above) >> 16) + (((across(row.upper) >> 4) * below) >> 16);
        result.at(y, x)[c] = std::uint8_t(std::clamp((sum + 2) >> 2, 0, 255));
      }
    }
  }
  return result;
}

// Bilinear on floats: INTER_LINEAR with half_pixel, or with aligned_corners.
inline Raster<float> interpolate(const Raster<float>& image, const std::vector<Between>& rows,
                                 const std::vector<Between>& columns, bool rows_first) {
  Raster<float> result(int(rows.size()), int(columns.size()), image.channels);
  for (int y = 0; y < result.height; ++y) {
    const Between& row = rows[y];
    for (int x = 0; x < result.width; ++x) {
      const Between& column = columns[x];
      const float *a = image.at(row.lower, column.lower), *b = image.at(row.lower, column.upper);
      const float *c = image.at(row.upper, column.lower), *d = image.at(row.upper, column.upper);
      float* out = result.at(y, x);
      const float v = row.weight, u = column.weight;
      for (int i = 0; i < image.channels; ++i) {
        // The same number but for its last bit.
        out[i] = rows_first ? (a[i] * (1 - v) + c[i] * v) * (1 - u) + (b[i] * (1 - v) + d[i] * v) * u
                            : (a[i] * (1 - u) + b[i] * u) * (1 - v) + (c[i] * (1 - u) + d[i] * u) * v;
      }
    }
  }
  return result;
}

inline Raster<float> resize_linear(const Raster<float>& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  return interpolate(image, half_pixel(image.height, height, false), half_pixel(image.width, width, true), false);
}

// INTER_AREA on bytes where no side grows: each output pixel is the mean of the input pixels under it.
struct Part {
  int source;
  float weight;
};

inline std::vector<std::vector<Part>> areas(int source, int target) {
  std::vector<std::vector<Part>> result(target);
  const double scale = double(source) / target;
  for (int i = 0; i < target; ++i) {
    const double start = i * scale, end = start + scale, length = std::min(scale, source - start);
    const int last = std::min(int(std::floor(end)), source - 1);
    const int first = std::min(int(std::ceil(start)), last);
    if (first - start > 1e-3) result[i].push_back({first - 1, float((first - start) / length)});
    for (int at = first; at < last; ++at) result[i].push_back({at, float(1 / length)});
    if (end - last > 1e-3) result[i].push_back({last, float(std::min(std::min(end - last, 1.0), length) / length)});
  }
  return result;
}

inline Raster<std::uint8_t> resize_area(const Raster<std::uint8_t>& image, int height, int width) {
  Raster<std::uint8_t> result(height, width, image.channels);
  const bool whole = image.height % height == 0 && image.width % width == 0;
  const int tall = image.height / height, wide = image.width / width;
  const float share = float(1.0 / (tall * wide));
  const auto rows = areas(image.height, height), columns = areas(image.width, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < image.channels; ++c) {
        float mean = 0;
        if (whole) {
          int sum = 0;
          for (int i = 0; i < tall * wide; ++i) sum += image.at(y * tall + i / wide, x * wide + i % wide)[c];
          // Of 2x2 pixels OpenCV rounds halves up, of others to the even number.
          mean = tall == 2 && wide == 2 ? float((sum + 2) >> 2) : float(sum) * share;
        } else {
          for (const Part& row : rows[y]) {
            float across = 0;
            for (const Part& column : columns[x]) across += float(image.at(row.source, column.source)[c]) * column.weight;
            mean += across * row.weight;
          }
        }
        result.at(y, x)[c] = std::uint8_t(std::clamp(int(std::nearbyint(mean)), 0, 255));
      }
    }
  }
  return result;
}

// A picture at the size of the network, as keras_liteseg resizes it.
inline Raster<std::uint8_t> resize_picture(const Raster<std::uint8_t>& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  const bool shrinks = image.height >= height && image.width >= width;
  return shrinks ? resize_area(image, height, width) : resize_linear(image, height, width);
}

// A class map by nearest neighbour: INTER_NEAREST_EXACT as of OpenCV 5, or with aligned corners.
inline std::vector<int> nearest(int source, int target, bool align_corners) {
  std::vector<int> result;
  const double scale = double(source) / target;
  double position = scale * 0.5;  // a sum, not a product, which decides where it falls between two pixels
  for (int i = 0; i < target; ++i, position += scale) {
    const double aligned = i * (double(source - 1) / std::max(target - 1, 1)) + 0.5;
    result.push_back(align_corners ? int(aligned) : std::min(int(position), source - 1));
  }
  return result;
}

inline Raster<std::uint8_t> resize_nearest(const Raster<std::uint8_t>& classes, int height, int width,
                                           bool align_corners) {
  const auto rows = nearest(classes.height, height, align_corners);
  const auto columns = nearest(classes.width, width, align_corners);
  Raster<std::uint8_t> result(height, width, 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) *result.at(y, x) = *classes.at(rows[y], columns[x]);
  return result;
}
