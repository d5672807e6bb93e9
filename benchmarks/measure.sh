# What the scripts beside this one share; they run it with `.`, in the root of the project.
run=${PYTHON:-.venv/bin/python}
found=runs/measured
mkdir -p $found

# config NAME: the path of a config file, wherever it lies in configs/.
config() {
    _path=$(find configs -name "$1.yaml")
    [ -n "$_path" ] || {
        echo "No file in configs/ is named $1.yaml" >&2
        exit 1
    }
    echo "$_path"
}

# accuracy TRAINING VARIANT FLAGS...: liteseg evaluate with these flags, as a row of results/accuracy.csv.
accuracy() {
    _training=$1 _variant=$2
    shift 2
    $run -m keras_liteseg evaluate "$@" --output $found/${_training}_$_variant.json
    $run -m benchmarks.record --accuracy $found/${_training}_$_variant.json --training $_training --variant $_variant
}

# latency RUN FILES RUNS: liteseg benchmark of these files with 1 and 2 threads, as the rows of a run in results/latency.csv.
latency() {
    $run -m keras_liteseg benchmark --model "$2" --threads 1,2 --runs $3 --output $found/latency_$1.json
    $run -m benchmarks.record --latency $found/latency_$1.json --run $1
}
