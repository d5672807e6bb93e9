# What a larger input does to trained networks, on CamVid's validation split, without any further training. The networks
# are those of sh benchmarks/camvid.sh, and the distilled one, which is to be trained first, as its config in configs/ says.
set -eu
: "${CAMVID:?folder of CamVid}"
. benchmarks/measure.sh
for name in ndnet45_camvid_finetuned ndnet45_camvid_finetuned_720x960_gpu ndnet45_camvid_scratch \
    ndnet45_camvid_trainval_distilled_720x960 liteseg_mobilenetv2_camvid_scratch; do
    case $name in
        *_distilled_*) sizes="720x960 864x1152" ;;
        *_gpu) sizes="720x960 864x1152 960x1280" ;;
        liteseg*) sizes="384x512 480x640 576x768" ;;
        *) sizes="360x480 480x640 544x720 720x960" ;;
    esac
    for size in $sizes; do
        accuracy $name float --model runs/$name/best.keras --data camvid --data_dir "$CAMVID" --split val \
            --input_size $size
    done
done
