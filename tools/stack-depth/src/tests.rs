use super::*;

/// The depth below `start`, and the path.
fn depth(listing: &str) -> Result<(u64, Vec<String>)> {
    depth_with(listing, |_| None)
}

fn depth_with(listing: &str, word: impl Fn(u64) -> Option<i32>) -> Result<(u64, Vec<String>)> {
    let mut program = Program::read(listing, word, |_, _| false)?;
    program.taken = program
        .functions
        .keys()
        .copied()
        .filter(|&f| f > 0x100)
        .collect();
    let mut walk = Walk::of(&program);
    walk.depth(0)
}

const CALLS: &str = "\
00000000 <start>:
       0:      \tpush\t{r4-r7, lr}
       2:      \tsub\tsp, #0x10
       4:      \tbl\t0x20 <small>
       8:      \tbl\t0x40 <large>

00000020 <small>:
      20:      \tpush\t{r7, lr}

00000040 <large>:
      40:      \tsub.w\tsp, sp, #0x100
      44:      \tb.w\t0x20 <small>
";

#[test]
fn the_deepest_call_counts() {
    let (bytes, path) = depth(CALLS).unwrap();
    assert_eq!(bytes, (5 * 4 + 16) + 256 + 8);
    assert_eq!(path, ["start(36)", "large(256)", "small(8)"]);
}

#[test]
fn recursion_is_an_error() {
    let listing = CALLS.replace("push\t{r7, lr}", "bl\t0x40 <large>");
    let error = depth(&listing).unwrap_err().to_string();
    assert!(error.contains(" calls itself: start > "), "{error}");
}

#[test]
fn a_pointer_may_lead_to_every_function_whose_address_is_taken() {
    let listing = format!(
        "{}\n00000200 <taken>:\n     200:      \tsub.w\tsp, sp, #0x400\n",
        CALLS.replace("push\t{r7, lr}", "blx\tr3")
    );
    assert_eq!(depth(&listing).unwrap().0, 36 + 256 + 1024);
}

/// RISC-V has one instruction for a jump within a function and for a call at its end.
const JUMP: &str = "\
00000000 <start>:
       0:      \taddi\tsp, sp, -0x10
       2:      \tlui\ta1, 0x10
       6:      \taddi\ta1, a1, -0x80
       a:      \tadd\ta0, a0, a1
       c:      \tlw\ta0, 0x0(a0)
       e:      \tlw\ta2, 0x4(s1)
      10:      \tjr\ta0

00000080 <small>:
      80:      \taddi\tsp, sp, -0x20

00000200 <taken>:
     200:      \taddi\tsp, sp, -0x400
";

#[test]
fn a_jump_through_a_pointer_is_a_call_unless_a_table_says_more() {
    let table = |entries: &'static [i32]| {
        move |address: u64| {
            entries
                .get((address.checked_sub(0xff80)? / 4) as usize)
                .copied()
        }
    };
    let bytes = |listing: &str, entries| depth_with(listing, table(entries)).unwrap().0;
    // Places in `start`.
    assert_eq!(bytes(JUMP, &[0x12, 0x14]), 16);
    // Functions.
    assert_eq!(bytes(JUMP, &[0x80, 0x80]), 16 + 32);
    assert_eq!(bytes(JUMP, &[0, 0x80, 0x200, 0x12]), 16 + 1024);
    // Neither; no constant; and a pointer that was passed.
    assert_eq!(bytes(JUMP, &[0x7777]), 16 + 1024);
    assert_eq!(bytes(JUMP, &[]), 16 + 1024);
    assert_eq!(
        bytes(&JUMP.replace("0x0(a0)", "0x0(s0)"), &[0x12]),
        16 + 1024
    );
    let listing = JUMP.replace("lw\ta0, 0x0(a0)", "mv\ta0, s0");
    assert_eq!(bytes(&listing, &[0x12]), 16 + 1024);
    // A known call beside it changes nothing.
    let listing = JUMP.replace("lw\ta2, 0x4(s1)", "jalr\t0x70(ra) <small>");
    let listing = listing.replace("0x0(a0)", "0x0(s0)");
    assert_eq!(bytes(&listing, &[0x12]), 16 + 1024);
}

#[test]
fn a_piece_that_the_compiler_took_out_returns() {
    let listing = JUMP
        .replace("start", "OUTLINED_FUNCTION_0")
        .replace("jr\ta0", "jr\tt0");
    let error = depth(&listing).unwrap_err().to_string();
    assert!(
        error.ends_with("a frame that is left to the caller` takes"),
        "{error}"
    );
    let listing = listing.replace("addi\tsp, sp, -0x10", "nop");
    assert_eq!(depth(&listing).unwrap().0, 0);
}

#[test]
fn a_frame_that_cannot_be_told_is_an_error() {
    let listing = CALLS.replace("sub.w\tsp, sp, #0x100", "add\tsp, r4");
    let error = depth(&listing).unwrap_err().to_string();
    assert_eq!(error, "large: cannot tell what `add sp, r4` takes");
}

/// A method of a writer is called, by its place in a table; there is a formatter alone.
const METHOD: &str = "\
00000000 <start>:
       0:      \tpush\t{r7, lr}
       2:      \tmov\tr3, r2
       4:      \tcbz\tr1, 0xa <start+0xa>
       6:      \tldr\tr3, [r0, #0xc]
       a:      \tblx\tr3

00000080 <small>:
      80:      \tpush\t{r7, lr}

00000200 <a::fmt>:
     200:      \tsub.w\tsp, sp, #0x400
";

#[test]
fn a_pointer_counts_only_if_every_way_brings_it() {
    let bytes = |listing: &str| depth(listing).unwrap().0;
    assert_eq!(bytes(METHOD), 8 + 1024);
    // By one way alone.
    let alone = METHOD.replace("cbz\tr1, 0xa <start+0xa>", "nop");
    assert_eq!(bytes(&alone), 8);
    // A jump back brings it too.
    let back = "blx\tr3\n       c:      \tb\t0xa <start+0xa>";
    assert_eq!(bytes(&alone.replace("blx\tr3", back)), 8 + 1024);
    // A call may change it.
    let call = "[r0, #0xc]\n       8:      \tbl\t0x80 <small>";
    let call = alone.replace("[r0, #0xc]", call);
    assert_eq!(bytes(&call), 8 + 1024);
    assert_eq!(bytes(&call.replace("r3", "r4")), 8 + 8);
}

#[test]
fn the_entries_of_a_table_end_where_the_first_leads() {
    let bytes = [9, 9, 9, 9, 9, 9, 4, 6, 3, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let word = |address: u64| {
        let bytes = bytes.get(address as usize..)?.first_chunk()?;
        Some(i32::from_le_bytes(*bytes))
    };
    let table = |line: &str| Line::read(line).unwrap().table(word);
    assert_eq!(table("2:\ttbb\t[pc, r0]"), [14, 18, 12, 6]);
    assert_eq!(table("4:\ttbh\t[pc, r0, lsl #1]"), [14, 24, 14]);
    assert_eq!(table("4:\tadd\tpc, r0"), [16, 20, 14, 8]);
    assert_eq!(table("4:\tadd\tr0, pc"), [0; 0]);
}
