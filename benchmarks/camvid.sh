# NDNet45 fine-tuned on CamVid from the official weights: float, post-training int8, quantization-aware int8, on the test split.
set -eu
: "${CAMVID:?folder of CamVid}" "${WEIGHTS:?folder of ndnet45_cityscapes.pth}"
run=.venv/bin/python
data="--data camvid --data_dir $CAMVID"
out=runs/camvid_files
mkdir -p $out

[ -e runs/camvid/best.keras ] || $run train.py --config configs/ndnet45_camvid.yaml --data_dir "$CAMVID" \
    --init_from "$WEIGHTS/ndnet45_cityscapes.pth" --output_dir runs/camvid
[ -e runs/camvid_qat/qat.keras ] || $run train.py --quantization_aware --config configs/ndnet45_camvid_qat.yaml \
    --data_dir "$CAMVID" --init_from runs/camvid/best.keras --output_dir runs/camvid_qat
$run export_tflite.py --model runs/camvid/best.keras $data --quantization int8 --calibration_images 64 --output $out/ndnet45_int8.tflite
$run export_tflite.py --model runs/camvid_qat/qat.keras --reference runs/camvid/best.keras $data --quantization int8 \
    --output $out/ndnet45_int8_qat.tflite
$run evaluate.py --model runs/camvid/best.keras $data --split test --output results/camvid_ndnet45_float.json
for kind in int8 int8_qat; do
    $run evaluate.py --model $out/ndnet45_$kind.tflite --compare_with runs/camvid/best.keras $data --split test \
        --output results/camvid_ndnet45_$kind.json
done
