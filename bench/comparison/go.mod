module chancery.dev/bench/comparison

go 1.21
