import numpy as np

from jina.executors.metas import get_default_metas

from .. import ManhattanIndexer


def new(directory):
    metas = get_default_metas()
    metas.update(workspace=str(directory), name='manhattan')
    return ManhattanIndexer(index_filename='vectors.gz', metas=metas)


def test_nearest_first(tmp_path):
    with new(tmp_path) as indexer:
        indexer.add(['a', 'b', 'c'], np.array([[0.0, 0.0], [1.0, 2.0], [5.0, 5.0]]))
        indexer.save()
        saved = indexer.save_abspath
    with ManhattanIndexer.load(saved) as indexer:
        keys, distances = indexer.query(np.array([[1.0, 1.0], [6.0, 6.0]]), top_k=2)
    assert keys.tolist() == [['b', 'a'], ['c', 'b']]
    assert distances.tolist() == [[1.0, 2.0], [2.0, 9.0]]


def test_empty(tmp_path):
    with new(tmp_path) as indexer:
        keys, distances = indexer.query(np.array([[1.0, 1.0]]), top_k=2)
    assert keys.size == 0 and distances.size == 0
