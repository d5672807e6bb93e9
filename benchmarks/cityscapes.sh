# Official NDNet45 weights on Cityscapes at full size: float, post-training int8 and 16x8, quantization-aware int8.
set -eu
: "${CITYSCAPES:?folder of Cityscapes}" "${WEIGHTS:?folder of ndnet45_cityscapes.pth}"
. benchmarks/measure.sh
data="--data cityscapes --data_dir $CITYSCAPES"
official="--model ndnet45 --checkpoint $WEIGHTS/ndnet45_cityscapes.pth --input_size 1024x2048"
qat=runs/ndnet45_cityscapes_qat
files=runs/files/ndnet45_cityscapes
mkdir -p runs/files

[ -e $qat/qat.keras ] || $run -m keras_liteseg train --quantization_aware --config $(config ndnet45_cityscapes_qat) \
    --data_dir "$CITYSCAPES" --init_from "$WEIGHTS/ndnet45_cityscapes.pth" --output_dir $qat
$run -m keras_liteseg export $official $data --quantization none --output ${files}_float32.tflite
# No gate (--max_drop 100): this measures what is lost.
# Without the last upsampling in 16 bits, see camvid.sh.
for kind in "int8 full" "int16x8 none"; do
    $run -m keras_liteseg export $official $data --quantization ${kind% *} --upsampling ${kind#* } --max_drop 100 \
        --output ${files}_${kind% *}.tflite
done
$run -m keras_liteseg export --model $qat/qat.keras $data --quantization int8 --max_drop 100 --output ${files}_int8_qat.tflite
accuracy ndnet45_cityscapes float $official $data
for kind in int8 int8_qat int16x8; do
    accuracy ndnet45_cityscapes $kind --model ${files}_$kind.tflite --compare_with ${files}_float32.tflite $data
done
$run -m benchmarks.sensitivity --model $qat/qat.keras $data --output results/ndnet45_cityscapes_sensitivity.json
