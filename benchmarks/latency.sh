# Latency of NDNet45 at 512x1024 on this machine's CPU: float32, float16, int8; 1 and 2 threads.
set -eu
: "${WEIGHTS:?folder of ndnet45_cityscapes.pth}"
run=.venv/bin/python
out=runs/latency
mkdir -p $out
for kind in none float16 int8; do
    name=$([ $kind = none ] && echo float32 || echo $kind)
    $run export_tflite.py --model ndnet45 --checkpoint "$WEIGHTS/ndnet45_cityscapes.pth" --input_size 512x1024 --quantization $kind --output $out/ndnet45_$name.tflite
done
$run -m edge.benchmark --model $out/ndnet45_float32.tflite,$out/ndnet45_float16.tflite,$out/ndnet45_int8.tflite \
    --threads 1,2 --runs 100 --output results/latency_ndnet45_512x1024.json
