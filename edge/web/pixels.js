// From the pixels of a picture to a network's input, and from its output to labels, as keras_liteseg.predictor does.

// Fills a network's input with the pixels of an ImageData. `lookup` holds for red, green and blue the 256 values that
// stand for 0 to 255 in the input.
export function fillInput(input, { data }, [red, green, blue]) {
  const count = data.length / 4;
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++, from += 4) {
    input[to++] = red[data[from]];
    input[to++] = green[data[from + 1]];
    input[to++] = blue[data[from + 2]];
  }
  // All images of a larger batch are the same.
  for (let start = count * 3; start < input.length; start += count * 3) {
    input.copyWithin(start, 0, count * 3);
  }
}

// Writes the label of every pixel of the network's input size [height, width] into `labels`. The output's shape is
// [batch, height, width, classes] for scores, of which the highest wins, or [batch, height, width] for class numbers.
export function toLabels(labels, output, shape, size, alignCorners) {
  const rows = positions(shape[1], size[0], alignCorners);
  const columns = positions(shape[2], size[1], alignCorners);
  if (shape.length === 3 || shape[3] === 1) {
    nearest(labels, output, shape[2], rows, columns);
  } else if (shape[1] === size[0] && shape[2] === size[1]) {
    highest(labels, output, shape[3]);
  } else {
    highestBetween(labels, output, shape[2], shape[3], rows, columns);
  }
}

// Where the centres of `to` pixels lie among those of `from` pixels.
function positions(from, to, alignCorners) {
  return Float64Array.from({ length: to }, (_, index) => {
    const position = alignCorners ? (index * (from - 1)) / Math.max(to - 1, 1) : ((index + 0.5) * from) / to - 0.5;
    return Math.min(Math.max(position, 0), from - 1);
  });
}

function nearest(labels, output, width, rows, columns) {
  let index = 0;
  for (const row of rows) {
    const start = Math.floor(row + 0.5) * width;
    for (const column of columns) {
      labels[index++] = output[start + Math.floor(column + 0.5)];
    }
  }
}

function highest(labels, output, classes) {
  for (let index = 0, start = 0; index < labels.length; index++, start += classes) {
    let best = 0;
    for (let label = 1; label < classes; label++) {
      if (output[start + label] > output[start + best]) {
        best = label;
      }
    }
    labels[index] = best;
  }
}

// The highest of bilinearly interpolated scores.
function highestBetween(labels, output, width, classes, rows, columns) {
  const line = new Float32Array(width * classes);
  const lastRow = output.length / (width * classes) - 1;
  let index = 0;
  for (const row of rows) {
    const upper = Math.floor(row);
    const start = upper * width * classes;
    const below = Math.min(upper + 1, lastRow) * width * classes;
    const share = row - upper;
    for (let value = 0; value < line.length; value++) {
      line[value] = output[start + value] * (1 - share) + output[below + value] * share;
    }
    for (const column of columns) {
      const left = Math.floor(column);
      const weight = column - left;
      const from = left * classes;
      const to = Math.min(left + 1, width - 1) * classes;
      let best = 0;
      let bestScore = -Infinity;
      for (let label = 0; label < classes; label++) {
        const score = line[from + label] * (1 - weight) + line[to + label] * weight;
        if (score > bestScore) {
          best = label;
          bestScore = score;
        }
      }
      labels[index++] = best;
    }
  }
}
