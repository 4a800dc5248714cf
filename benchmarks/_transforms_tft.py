"""The workload in TensorFlow Transform, run by an interpreter of its own: PYTHON _transforms_tft.py DATA.parquet.

Prints JSON: seconds to analyze and to apply, microseconds a row. It differs from ours so: medians, quantiles and
bin edges are approximate (quantile sketches); the quantile transform is interpolation between 1,000 such edges and
the normal quantile function. Vocabularies are exact. It runs on Apache Beam's DirectRunner, in one process.
"""

import json
import logging
import sys
import tempfile
import time
from typing import Any

import apache_beam as beam
import pyarrow.parquet
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

FLOATS = [f"x{i:02d}" for i in range(20)]
STRINGS = [f"s{i:02d}" for i in range(10)]
_BATCH = 8192


def _filled(x: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_nan(x), tf.ones_like(x) * tf.cast(value, x.dtype), x)


def _present(x: tf.Tensor) -> tf.Tensor:
    return tf.boolean_mask(x, tf.logical_not(tf.math.is_nan(x)))


def preprocessing(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the outputs, by the names of their columns."""
    outputs = {}
    for name in FLOATS[:10]:
        median = tft.quantiles(_present(inputs[name]), num_buckets=2, epsilon=0.001)
        outputs[name] = tft.scale_to_z_score(_filled(inputs[name], tf.reshape(median, [-1])[0]))
    for name in FLOATS[10:]:
        filled = _filled(inputs[name], tft.mean(_present(inputs[name])))
        if name in FLOATS[15:]:
            outputs[name] = tft.bucketize(filled, num_buckets=10)
            continue
        edges = tft.quantiles(filled, num_buckets=1000, epsilon=0.0005)
        share = tft.apply_buckets_with_interpolation(filled, edges)
        outputs[name] = tf.math.ndtri(tf.clip_by_value(share, 1e-7, 1.0 - 1e-7))
    for name in STRINGS:
        outputs[name] = tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name)
    return outputs


def _schema() -> Any:
    floats = {name: tf.io.FixedLenFeature([], tf.float32) for name in FLOATS}
    return schema_utils.schema_from_feature_spec(
        {**floats, **{n: tf.io.FixedLenFeature([], tf.string) for n in STRINGS}}
    )


def main() -> None:
    """Analyze, apply, print."""
    frame = pyarrow.parquet.read_table(sys.argv[1]).to_pandas()
    arrays: dict[str, Any] = {name: frame[name].to_numpy("float32") for name in FLOATS}
    arrays |= {name: frame[name].to_numpy(object) for name in STRINGS}
    # The form in which Beam's workers get rows: a list of one value a row.
    source = TFExampleBeamRecord(physical_format="inmem", schema=_schema())
    batches = [
        pyarrow.record_batch(
            [pyarrow.array([[v] for v in arrays[f.name][at : at + _BATCH]], f.type) for f in source.ArrowSchema()],
            schema=source.ArrowSchema(),
        )
        for at in range(0, len(frame), _BATCH)
    ]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=folder, use_deep_copy_optimization=False):
            rows = pipeline | beam.Create(batches, reshuffle=False)
            function = (rows, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing)
            _ = function | tft_beam.WriteTransformFn(folder + "/fitted")
        fit = time.perf_counter() - begin
        layer = tft.TFTransformOutput(folder + "/fitted").transform_features_layer()
        apply = tf.function(lambda batch: layer(batch))
        data = tf.data.Dataset.from_tensor_slices(arrays).batch(_BATCH).cache()
        row = {name: tf.constant(values[:1]) for name, values in arrays.items()}
        apply(row)
        for _ in data:
            pass
        begin = time.perf_counter()
        for batch in data:
            apply(batch)
        batched = time.perf_counter() - begin
        spent = []
        for _ in range(300):
            begin = time.perf_counter()
            apply(row)
            spent.append(time.perf_counter() - begin)
    versions = {"tensorflow": tf.__version__, "tensorflow-transform": tft.__version__, "beam": beam.__version__}
    print(json.dumps({"fit": fit, "apply": batched, "row": sorted(spent)[len(spent) // 2], "versions": versions}))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main()
