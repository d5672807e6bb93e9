# Size and cost of every network, and its latency at 512x1024 on this machine's CPU: float32, float16 and int8, with 1 and
# 2 threads. The weights are random, which changes no latency. Half an hour on 2 idle cores, and 16 GB of memory.
set -eu
. benchmarks/measure.sh
out=runs/networks
mkdir -p $out
$run -m keras_liteseg summary --output results/networks.json
files=
for name in $($run -c "import keras_liteseg; print(*keras_liteseg.list_models())"); do
    for kind in float32 float16 int8; do
        file=$out/${name}_$kind.tflite
        $run -m keras_liteseg export --model $name --input_size 512x1024 --quantization $([ $kind = float32 ] && echo none || echo $kind) \
            --calibration_images 2 --no_cross_layer_equalization --no_bias_correction --output $file
        files=$files,$file
    done
done
sleep 120  # the load of the exports should not count
latency networks_512x1024 ${files#,} 20
