from .. import LineSegmenter


def test_lines_and_their_places():
    text = 'one\n\n  two words \r\nx'
    [chunks] = LineSegmenter().segment([text])
    assert [chunk['text'] for chunk in chunks] == ['one', 'two words', 'x']
    assert [chunk['offset'] for chunk in chunks] == [0, 1, 2]
    for chunk in chunks:
        begin, end = chunk['location']
        assert text[begin:end] == chunk['text']


def test_short_lines():
    [chunks] = LineSegmenter(min_length=2).segment(['a\nbc'])
    assert [chunk['text'] for chunk in chunks] == ['bc']
