//! `budget` speaks of the boards that the firmware is built for.

use host_trainer::boards;

#[test]
fn every_board_of_the_firmware_has_its_room_in_the_budget() {
    for board in xtask::boards::BOARDS {
        let found = boards::BOARDS.iter().find(|b| b.name == board.name);
        let found = found.unwrap_or_else(|| panic!("no {} in the budget", board.name));
        assert_eq!(
            found.model_room, board.model_room as usize,
            "{}",
            board.name
        );
    }
}
