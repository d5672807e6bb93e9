"""Write a data set as sharded TFRecords.

  liteseg records --data cityscapes --data_dir DIR --split train --shards 16 --output_dir RECORDS

A few large files take the place of many small ones, and every sample is checked once. The data set 'records' reads
them: --data records --data_dir RECORDS. After an interruption, run the same command again: finished shards stay, and
damaged ones are replaced. Several splits may share an output folder.
"""

from keras_liteseg.backend import require_tensorflow
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras


@command("records", __doc__, renamed={"output": "--output_dir"})
@options.data(split="train", splits="Split to write.")
@options.folder("--output_dir", "Folder for the records.", required=True)
@options.whole("--shards", 16, "Number of files; a few hundred megabytes each are handy.")
def main(data, data_dir, split, data_options, output_dir, shards):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.records import write_records
    from keras_liteseg.files import require_folder

    require_folder(output_dir)
    require_tensorflow("A TFRecord")
    dataset = load_dataset(data, data_dir, split, **data_options)
    start_keras()
    manifest = write_records(dataset, output_dir, shards, data_options)
    print(f"{len(dataset)} samples in {shards} shards; wrote {manifest}")
