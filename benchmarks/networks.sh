# Size and cost of every network, and its float32 latency at 512x1024 on this machine's CPU with 1 and 2 threads. The
# weights are random, which changes no latency.
set -eu
run=.venv/bin/python
out=runs/networks
mkdir -p $out
$run -m keras_liteseg.models.summary --output results/networks.json
files=
for name in $($run -c "import keras_liteseg; print(*keras_liteseg.list_models())"); do
    $run export_tflite.py --model $name --input_size 512x1024 --quantization none --output $out/$name.tflite
    files=$files,$out/$name.tflite
done
sleep 120  # the load of the exports should not count
$run -m edge.benchmark --model ${files#,} --threads 1,2 --runs 20 --output results/latency_networks_512x1024.json
