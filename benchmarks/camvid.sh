# Trainings on CamVid: the float network and its int8 file on the test split, and of those with a config for it also the
# 16x8 and the quantization-aware int8 file. Without arguments all networks below; or name those wanted. What is neither
# in runs/ nor published in pretrained/ is trained first where no other training must come before.
set -eu
: "${CAMVID:?folder of CamVid}"
. benchmarks/measure.sh
data="--data camvid --data_dir $CAMVID"
[ $# -gt 0 ] ||
    set -- ndnet45_camvid_finetuned ndnet45_camvid_finetuned_720x960 ndnet45_camvid_finetuned_720x960_gpu \
        ndnet45_camvid_finetuned_trainval_864x1152 ndnet45_camvid_scratch ndnet45_camvid_trainval_720x960 \
        pp_liteseg_t_camvid_scratch pp_liteseg_t_camvid_trainval_720x960 liteseg_mobilenetv2_camvid_scratch \
        lps_net_s_camvid_scratch lps_net_s_camvid_trainval_720x960 lps_net_expanded_camvid_scratch \
        lps_net_expanded_camvid_trainval_720x960
for name in "$@"; do
    float=runs/$name/best.keras
    files=runs/files/$name
    mkdir -p runs/files
    aware=
    [ -z "$(find configs -name ${name}_qat.yaml)" ] || aware=1
    start=
    case $name in
        *_distilled_* | *_cutmix*)
            [ -e $float ] || {
                echo "$float is not there, and needs its teacher first: $(config $name) says how to train it" >&2
                exit 1
            } ;;
        *_finetuned | *_finetuned_*_gpu | *_finetuned_trainval_*)
            start="--init_from ${WEIGHTS:?folder of ndnet45_cityscapes.pth}/ndnet45_cityscapes.pth" ;;
        ndnet45_camvid_trainval_720x960) start="--init_from camvid" ;;
        *_finetuned_720x960) start="--init_from runs/${name%_720x960}/best.keras" ;;
    esac
    [ -e $float ] || $run -m benchmarks.take_published --config $(config $name) --output $float ||
        $run -m keras_liteseg train --config $(config $name) --data_dir "$CAMVID" $start --output_dir runs/$name
    [ -z "$aware" ] || [ -e runs/${name}_qat/qat.keras ] || $run -m keras_liteseg train --quantization_aware \
        --config $(config ${name}_qat) --data_dir "$CAMVID" --init_from $float --output_dir runs/${name}_qat

    # No gate (--max_drop 100): this measures what is lost.
    # Without the last upsampling in 16 bits, which LiteRT computes with steps of a 1024th of a pixel that add up.
    for kind in "int8 full" ${aware:+"int16x8 none"}; do
        $run -m keras_liteseg export --model $float $data --quantization ${kind% *} --upsampling ${kind#* } \
            --calibration_images 64 --max_drop 100 --output ${files}_${kind% *}.tflite
    done
    [ -z "$aware" ] || $run -m keras_liteseg export --model runs/${name}_qat/qat.keras --reference $float $data \
        --quantization int8 --max_drop 100 --output ${files}_int8_qat.tflite
    [ ! -e runs/$name/log.csv ] || $run -m benchmarks.record --training_run runs/$name
    accuracy $name float --model $float $data --split test
    for kind in int8 ${aware:+int8_qat int16x8}; do
        accuracy $name $kind --model ${files}_$kind.tflite --compare_with $float $data --split test
    done
done
