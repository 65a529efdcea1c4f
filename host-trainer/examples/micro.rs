use candle_core::{DType, Device, Tensor, Var};
use std::time::Instant;
fn time(name: &str, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..200 { let s = Instant::now(); f(); best = best.min(s.elapsed().as_secs_f64() * 1e6); }
    println!("{name}: {best:.1} us");
}
fn main() {
    let d = &Device::Cpu;
    let g = Tensor::ones((256, 1024), DType::F32, d).unwrap();
    time("zeros 1M + add", || { let z = g.zeros_like().unwrap(); let _ = z.add(&g).unwrap(); });
    time("zeros 1M", || { let _ = g.zeros_like().unwrap(); });
    time("vec zeros 1M", || { let v = vec![0f32; 262144]; std::hint::black_box(&v); });
    let l = Tensor::ones((5120, 27), DType::F32, d).unwrap();
    time("zeros logits + add", || { let z = l.zeros_like().unwrap(); let _ = z.add(&l).unwrap(); });
    for h in [64usize, 256] {
        let e = Var::ones((27, 64), DType::F32, d).unwrap();
        let w = Var::ones((64, 4 * h), DType::F32, d).unwrap();
        let b = Var::ones(4 * h, DType::F32, d).unwrap();
        let ids = Tensor::arange(0u32, 27, d).unwrap();
        time(&format!("{h} select"), || { let _ = e.index_select(&ids, 0).unwrap(); });
        let s = e.index_select(&ids, 0).unwrap();
        time(&format!("{h} matmul"), || { let _ = s.matmul(&w).unwrap(); });
        let m = s.matmul(&w).unwrap();
        time(&format!("{h} bias"), || { let _ = m.broadcast_add(&b).unwrap(); });
        let t = m.broadcast_add(&b).unwrap();
        let tg = Tensor::ones((27, 4 * h), DType::F32, d).unwrap();
        time(&format!("{h} sum for bias"), || { let _ = tg.sum_keepdim(0).unwrap(); });
        time(&format!("{h} matmul back 1"), || { let _ = tg.matmul(&w.t().unwrap()).unwrap(); });
        time(&format!("{h} matmul back 2"), || { let _ = s.t().unwrap().matmul(&tg).unwrap(); });
        time(&format!("{h} zeros+add w"), || { let z = w.zeros_like().unwrap(); let _ = z.add(&w).unwrap(); });
        time(&format!("{h} all backward of the table"), || { let _ = t.backward().unwrap(); });
    }
}
