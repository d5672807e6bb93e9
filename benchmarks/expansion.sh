# The progressive expansion on CamVid at 360x480 in int8 on this machine's CPU, for LPS-Net-S's latency (docs/expansion.md): the
# search, then what it found and LPS-Net-S trained in full by the same config, and timed in turns. Each step goes on where
# it was interrupted. BUDGET_MS: latency of lps_net_s on this machine, which search.json has as published_ms.
set -eu
: "${CAMVID:?folder of CamVid}"
run=.venv/bin/python
search=runs/expansion_camvid
resume=
[ -e $search/search.json ] && resume=--resume
$run expand.py --budget_ms "${BUDGET_MS:?latency of lps_net_s in ms}" --target host:cpu --threads 1 --precision int8 \
    --config configs/lps_net_s_camvid_scratch.yaml --data_dir "$CAMVID" --candidate_epochs 3 --inherit --max_resolution 2 \
    --candidate_override ema_momentum=0 --candidate_override warmup_epochs=0 --rounds 8 --output_dir $search $resume
cp $search/search.json results/expansion_camvid.json
cp $search/search.svg docs/images/expansion_camvid.svg

# The last network of the search's path and the one before it, each trained in full by the config of LPS-Net-S.
names="lps_net_s_camvid_scratch lps_net_expanded_camvid_scratch lps_net_expanded_round8_camvid_scratch"
CAMVID=$CAMVID sh benchmarks/camvid.sh $names
$run -m edge.benchmark --threads 1,2 --runs 200 --output results/latency_expansion_360x480.json \
    --model "$(printf "runs/files/%s_int8.tflite," $names | sed 's/,$//')"
