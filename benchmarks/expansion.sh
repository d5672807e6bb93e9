# The progressive expansion on CamVid at 360x480 in int8 on this machine's CPU, for LPS-Net-S's latency (docs/expansion.md): the
# search, then what it found and LPS-Net-S trained in full by the same config, and timed in turns. Each step goes on where
# it was interrupted. BUDGET_MS: latency of lps_net_s on this machine, which search.json has as published_ms.
set -eu
: "${CAMVID:?folder of CamVid}"
. benchmarks/measure.sh
search=runs/expansion_camvid
resume=
[ -e $search/search.json ] && resume=--resume
$run -m keras_liteseg expand --budget_ms "${BUDGET_MS:?latency of lps_net_s in ms}" --target host:cpu --threads 1 --precision int8 \
    --config $(config lps_net_s_camvid_scratch) --data_dir "$CAMVID" --candidate_epochs 3 --inherit --max_resolution 2 \
    --candidate_override ema_momentum=0 --candidate_override warmup_epochs=0 --rounds 8 --output_dir $search $resume
cp $search/search.json results/expansion_camvid.json
cp $search/search.svg docs/images/expansion_camvid.svg

# LPS-Net-S and the network found, each trained in full by the config of LPS-Net-S.
names="lps_net_s_camvid_scratch lps_net_expanded_camvid_scratch"
sh benchmarks/camvid.sh $names
latency expansion_360x480 "$(printf "runs/files/%s_int8.tflite," $names | sed 's/,$//')" 200
