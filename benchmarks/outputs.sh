# What the outputs that liteseg export offers cost and do to the accuracy: int8 files of NDNet45, fine-tuned on CamVid
# (sh benchmarks/camvid.sh ndnet45_camvid_finetuned), on the validation split.
set -eu
: "${CAMVID:?folder of CamVid}"
. benchmarks/measure.sh
data="--data camvid --data_dir $CAMVID"
float=runs/ndnet45_camvid_finetuned/best.keras
out=runs/outputs
mkdir -p $out
files=
for variant in full_logits full_softmax full_classes full_classes_uint8 half_logits half_classes_uint8 \
    quarter_logits quarter_classes_uint8 eighth_logits eighth_classes_uint8; do
    file=$out/$variant.tflite
    $run -m keras_liteseg export --model $float $data --quantization int8 --calibration_images 64 --max_drop 100 \
        --upsampling ${variant%%_*} --output_type ${variant#*_} --output $file
    accuracy ndnet45_camvid_finetuned int8_$variant --model $file --compare_with $float $data
    files=$files,$file
done
sleep 60  # the load of the exports should not count
latency outputs_360x480 ${files#,} 100
