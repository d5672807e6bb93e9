# Official NDNet45 weights on Cityscapes at full size: float, post-training int8, quantization-aware int8.
set -eu
: "${CITYSCAPES:?folder of Cityscapes}" "${WEIGHTS:?folder of ndnet45_cityscapes.pth}"
run=.venv/bin/python
data="--data cityscapes --data_dir $CITYSCAPES"
official="--model ndnet45 --checkpoint $WEIGHTS/ndnet45_cityscapes.pth --input_size 1024x2048"
out=runs/cityscapes
mkdir -p $out

[ -e runs/cityscapes_qat/qat.keras ] || $run train.py --quantization_aware --config configs/ndnet45_cityscapes_qat.yaml \
    --data_dir "$CITYSCAPES" --init_from "$WEIGHTS/ndnet45_cityscapes.pth" --output_dir runs/cityscapes_qat
$run export_tflite.py $official $data --quantization none --output $out/ndnet45_float32.tflite
# No gate (--max_drop 100): this measures what is lost.
$run export_tflite.py $official $data --quantization int8 --max_drop 100 --output $out/ndnet45_int8.tflite
$run export_tflite.py --model runs/cityscapes_qat/qat.keras $data --quantization int8 --max_drop 100 \
    --output $out/ndnet45_int8_qat.tflite
$run evaluate.py $official $data --output results/cityscapes_ndnet45_float.json
for kind in int8 int8_qat; do
    $run evaluate.py --model $out/ndnet45_$kind.tflite --compare_with $out/ndnet45_float32.tflite $data \
        --output results/cityscapes_ndnet45_$kind.json
done
